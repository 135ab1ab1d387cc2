"""joblib's loops over an arena: `parallel_config(backend="pagebuddy")`.

    import pagebuddy.adapters.joblib
    with joblib.parallel_config(backend="pagebuddy"):
        joblib.Parallel(n_jobs=4)(joblib.delayed(f)(x, i) for i in range(100))

The workers are those of an `ArenaExecutor`, started as loky starts them. Tasks and results are pickled
by loky's pickler, which is cloudpickle; large arrays are taken out and travel in the arena.

Importing this also lets joblib's own process backends send large arrays in shared arenas as handles.
"""

from __future__ import annotations

import os
import pickle
import threading
from concurrent.futures import Future
from functools import partial
from io import BytesIO
from signal import SIGKILL
from traceback import format_exception
from typing import Any
from uuid import uuid4
from weakref import WeakValueDictionary, ref

try:
    import joblib
    import numpy as np
except ImportError as error:
    raise ImportError(f"{error}; to install it: pip install 'pagebuddy[joblib]'") from error
if tuple(map(int, joblib.__version__.split(".")[:2])) < (1, 5):
    raise ImportError(
        f"joblib {joblib.__version__} is installed; pagebuddy.adapters.joblib supports joblib 1.5 and "
        "later: pip install 'pagebuddy[joblib]'"
    )

from joblib import _memmapping_reducer as memmapping
from joblib._parallel_backends import FallbackToBackend, LokyBackend, SequentialBackend
from joblib.externals.loky import process_executor as loky
from joblib.externals.loky.backend import resource_tracker
from joblib.externals.loky.backend.context import LokyContext
from joblib.externals.loky.backend.process import LokyProcess
from joblib.externals.loky.backend.reduction import get_loky_pickler

from pagebuddy.arena.arena import Arena
from pagebuddy.arena.fallbacks import Fallbacks
from pagebuddy.buffers.arrays import extent_of
from pagebuddy.buffers.forking_pickler import reduced_if_wanted
from pagebuddy.errors import PageBuddyError
from pagebuddy.exchange.finder import Finder
from pagebuddy.pool.died import WorkerDied
from pagebuddy.pool.executor import ArenaExecutor
from pagebuddy.pool.worker import empty_frames

__all__ = ["ArenaBackend", "fallbacks"]

fallbacks = Fallbacks("pagebuddy.adapters.joblib")

# Pickles of at most so many bytes travel in the message itself.
_MOST_INLINE = 4096
# Workers allocate arrays from so many bytes on in the arena.
_LEAST_RESULT = 64 << 10
# With these, what joblib sends of a large array is shared by all tasks.
_SHARED_MODES = ("r", "r+", "w+")
_FAILED, _NO_ROOM = 1, 2


class ArenaBackend(LokyBackend):  # type: ignore[misc,unused-ignore]
    """The joblib backend named "pagebuddy".

    It is used by its name, as the parameter `backend` of `joblib.Parallel` or `joblib.parallel_config`,
    and takes these parameters there.

    Parameters
    ----------
    arena : Arena or str, optional
        The shared arena through which arrays travel, or its name. By default an anonymous one, which is
        made on first use, and which all loops of this process share.
    size : int or str, optional
        The size of that anonymous arena in bytes, or text such as ``"8 GiB"``. Default: half of the
        machine's memory, of which only used pages take memory.
    **options
        What joblib's backend "loky" takes.

    Raises
    ------
    TypeError
        If `arena` is neither an arena nor a name.

    Examples
    --------
    >>> from joblib import Parallel, delayed
    >>> Parallel(n_jobs=2, backend="pagebuddy")(delayed(pow)(i, 2) for i in range(4))
    [0, 1, 4, 9]
    """

    def __init__(
        self, *, arena: Arena | str | None = None, size: int | str | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self._options: dict[str, Any] = {"arena": arena, "size": size}
        self._workers: _Workers | None = None

    def configure(self, n_jobs: int = 1, parallel: Any = None, **options: Any) -> int:
        """Get workers ready. Called by joblib.

        Parameters
        ----------
        n_jobs : int, optional
            How many workers; negative numbers count from that of the processors. Default: 1.
        parallel : joblib.Parallel, optional
            The loop.
        **options
            What `joblib.Parallel` was given, and does not use itself.

        Returns
        -------
        int
            How many workers there are.
        """
        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        # Those of the last time, if joblib gives none because it has ended the workers.
        self._options = {**self._options, **self.backend_kwargs, **options}
        arena = self._options["arena"]
        if arena is not None and not isinstance(arena, Arena | str):
            raise TypeError(
                f"arena is {arena!r}; it must be an Arena, its name, or None for a new one"
            )
        # Raises what loky raises for too many nested loops.
        loky._check_max_depth(LokyContext())
        try:
            pool = _pool_for(n_jobs, self._prepare_worker_env(n_jobs=n_jobs), **self._options)
        except (PageBuddyError, OSError, ValueError) as error:
            fallbacks.count("loky", f"there is no arena: {error}; the backend loky is used instead")
            instead = LokyBackend(nesting_level=self.nesting_level)
            instead.inner_max_num_threads = self.inner_max_num_threads
            raise FallbackToBackend(instead) from None
        self._workers = _Workers(pool, parallel._id, **self._options)
        self.parallel = parallel
        return n_jobs

    def retrieve_result_callback(self, future: Future[Any]) -> Any:
        """Return what tasks returned. Called by joblib.

        Parameters
        ----------
        future : concurrent.futures.Future
            What `submit` returned; it is done.

        Returns
        -------
        list
            The results. Raises what a task raised, or what loky raises.
        """
        workers = self._workers
        if workers is not None and workers.pool.is_killed:
            raise RuntimeError("The executor underlying Parallel has been ended by another loop.")
        try:
            kind, stowed, *arrays = future.result()
        except WorkerDied as error:
            raise loky.TerminatedWorkerError(str(error)) from error
        if kind & _NO_ROOM:
            _count_full()
        try:
            outcome = _opened(stowed, arrays)
        except Exception as error:
            raise loky.BrokenProcessPool("A result has failed to un-serialize.") from error
        if not kind & _FAILED:
            return outcome
        try:
            raise outcome
        finally:
            del outcome

    def stop_call(self) -> None:
        """Drop the copies of arrays. Called by joblib at the end of a loop."""
        if self._workers is not None:
            self._workers.copies.clear()


class _Workers:
    """The workers that a loop uses, with the attributes that `LokyBackend` wants.

    `copies` has the arrays that this loop has copied into the arena, by their ids.
    """

    def __init__(self, pool: _Pool, context_id: str, **options: Any) -> None:
        self.pool = pool
        self.copies: dict[int, tuple[ref[Any], Any]] = {}
        self._temp_folder_manager = memmapping.TemporaryResourcesManager(
            options.get("temp_folder"), context_id=context_id
        )
        wanted = {key: options[key] for key in ("max_nbytes", "mmap_mode") if key in options}
        self._folder = self._temp_folder_manager.resolve_temp_folder_name
        # What joblib does with an array.
        self._as_joblib = memmapping.get_memmapping_reducers(
            unlink_on_gc_collect=True, temp_folder_resolver=self._folder, **wanted
        )[0][np.ndarray]

    def submit(self, func: Any) -> Future[Any]:
        """Let a worker run a batch of tasks. The future has any exception, also that of pickling."""
        arrays: list[Any] = []
        try:
            data = _pickled(func, partial(self._reduced, arrays), self._as_joblib)
            stowed = _stowed(self.pool.arena, data, self._folder())
            if isinstance(stowed, str):
                _count_full()
            return self.pool.submit(_run, self._folder(), stowed, *arrays)
        except Exception as error:
            future: Future[Any] = Future()
            failure = pickle.PicklingError("Could not pickle the task to send it to the workers.")
            told = format_exception(type(error), error, error.__traceback__)
            failure.__cause__ = loky._RemoteTraceback("".join(told))
            future.set_exception(failure)
            return future

    def terminate(self, kill_workers: bool) -> None:
        """Kill the workers, which no other loop uses then, and remove all files."""
        self.pool.is_killed = True
        self.pool.kill_workers()
        self._temp_folder_manager._clean_temporary_resources(force=True, allow_non_empty=True)

    def _reduced(self, arrays: list[Any], array: Any) -> Any:
        """Reduce an array of a task to its place among arrays in the arena, or as joblib does."""
        mode, most = self._as_joblib._mmap_mode, self._as_joblib._max_nbytes
        if _is_for_arena(array, most) and mode in _SHARED_MODES:
            shown = self._in_arena(array)
            if shown is not None:
                arrays.append(_readonly(shown) if mode == "r" else shown)
                return _arrived, (len(arrays) - 1,)
        return self._as_joblib(array)

    def _in_arena(self, array: Any) -> Any:
        """Return an array if it is in the arena, else its copy there; None if there is no room."""
        if _lies_in(self.pool.arena, array):
            return array
        key, copies = id(array), self.copies
        known, copy = copies.get(key, (None, None))
        if known is None or known() is not array:
            try:
                copy = self.pool.arena.copy(array)
            except (PageBuddyError, TypeError):
                _count_full()
                return None
            # An array that ends before the loop does takes its copy with it.
            copies[key] = ref(array, lambda _: copies.pop(key, None)), copy
        return copy


class _Pool(ArenaExecutor):
    """A pool that several loops use."""

    is_killed = False


class _Process(LokyProcess):  # type: ignore[misc,unused-ignore]
    """A worker process, started as loky starts its own."""

    def kill(self) -> None:
        """Kill it; loky's processes cannot do this."""
        if self._popen.poll() is None:
            os.kill(self.pid, SIGKILL)


# The pools, by all that their workers depend on. Loops that run have theirs, and the next one may use
# the last; others end.
_pools: WeakValueDictionary[tuple[Any, ...], _Pool] = WeakValueDictionary()
_pools_lock = threading.RLock()
_last_pool: _Pool | None = None
# The anonymous arena of this process, and what was given as its size.
_own: tuple[Any, Arena] | None = None


def _pool_for(
    n_jobs: int,
    env: dict[str, str],
    *,
    arena: Arena | str | None,
    size: int | str | None,
    initializer: Any = None,
    initargs: Any = (),
    **_: Any,
) -> _Pool:
    """Return a pool with these properties. Raises what using the arena raises."""
    global _last_pool
    with _pools_lock:
        if arena is None:
            arena = _arena_for(n_jobs, size)
        elif isinstance(arena, str):
            arena = Arena.attach(arena)
        if arena._open.is_readonly:
            raise ValueError("the arena is attached read-only")
        first = b"" if initializer is None else _pickled((initializer, initargs))
        key = os.getpid(), n_jobs, arena._open, tuple(env.items()), first
        pool = _pools.get(key)
        if pool is None or pool.is_killed:
            context = LokyContext()
            # It does not import `__main__`, and its libraries use so many threads.
            context.Process = partial(_Process, env=env)
            beginning = arena, loky._CURRENT_DEPTH + 1, first
            pool = _pools[key] = _Pool(n_jobs, context, _begin, beginning, arena=arena)
        _last_pool = pool
        return pool


def _arena_for(n_jobs: int, size: int | str | None) -> Arena:
    """Return the anonymous arena of this process."""
    global _own
    # A pool that ends and the next one use it at the same time.
    slots = 2 * n_jobs + 16
    if _own is None or size != _own[0] or _own[1]._open.layout.n_slots < slots:
        most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        _own = size, Arena(most if size is None else size, slots=max(112, slots))
    return _own[1]


def _count_full() -> None:
    fallbacks.count("full", "the arena is full; what does not fit is written to files, as by loky")


# -- what travels


def _pickled(thing: Any, reduced: Any = None, reduced_memmap: Any = None) -> bytes:
    """Return the pickle of anything, as loky makes it, with other reducers of arrays."""
    file = BytesIO()
    reducers = {np.ndarray: reduced, np.memmap: reduced_memmap} if reduced is not None else None
    get_loky_pickler()(file, reducers=reducers, protocol=5).dump(thing)
    return file.getvalue()


def _stowed(arena: Arena, data: bytes, folder: str) -> Any:
    """Return a pickle if it is short, else an array in the arena with its bytes, or a file's path."""
    if len(data) <= _MOST_INLINE:
        return data
    try:
        return arena.copy(np.frombuffer(data, "u1"))
    except PageBuddyError:
        path = os.path.join(folder, f"{uuid4().hex}.pkl")
        # Its tracker removes what a killed process leaves.
        resource_tracker.register(path, "file")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with open(path, "xb") as file:
            file.write(data)
        return path


_arriving = threading.local()


def _arrived(index: int) -> Any:
    """Return an array that was taken out of the pickle that this thread reads."""
    return _arriving.arrays[index]


def _opened(stowed: Any, arrays: list[Any]) -> Any:
    """Return the object of a pickle. Raises what unpickling raises."""
    if isinstance(stowed, str):
        with open(stowed, "rb") as file:
            data = file.read()
        os.unlink(stowed)
        resource_tracker.unregister(stowed, "file")
        stowed = data
    before, _arriving.arrays = getattr(_arriving, "arrays", None), arrays
    try:
        return pickle.loads(stowed)
    finally:
        _arriving.arrays = before


def _is_for_arena(array: Any, most: int | None) -> bool:
    """Whether an array has more bytes, no objects, and no file."""
    is_large = most is not None and array.nbytes > most and not array.dtype.hasobject
    return is_large and not isinstance(memmapping._get_backing_memmap(array), np.memmap)


def _lies_in(arena: Arena, array: Any) -> bool:
    low, _, n_bytes = extent_of(array)
    return Finder(arena._open).found(array, low, n_bytes) is not None


def _readonly(array: Any) -> Any:
    view = array.view()
    view.flags.writeable = False
    return view


# -- workers

_worker_arena: Any = None


def _begin(arena: Arena, depth: int, first: bytes) -> None:
    """Begin as a worker, with its initializer."""
    global _worker_arena
    _worker_arena, loky._CURRENT_DEPTH = arena, depth
    if first:
        initializer, initargs = pickle.loads(first)
        initializer(*initargs)


def _run(folder: str, stowed: Any, *arrays: Any) -> Any:
    """Run a batch of tasks, and return what `retrieve_result_callback` takes."""
    try:
        task = _opened(stowed, list(arrays))
    except Exception as error:
        raise loky.BrokenProcessPool("A task has failed to un-serialize.") from error
    del stowed, arrays
    kind, taken = 0, list[Any]()
    try:
        outcome = task()
    except BaseException as error:
        outcome = loky._ExceptionWithTraceback(error)
        empty_frames(error)
        kind = _FAILED
    del task

    def reduced(array: Any) -> Any:
        nonlocal kind
        if _is_for_arena(array, _LEAST_RESULT - 1):
            try:
                # What is read-only may be an argument: a result shares no memory with that.
                is_new = array.flags.writeable and _lies_in(_worker_arena, array)
                taken.append(array if is_new else _worker_arena.copy(array))
                return _arrived, (len(taken) - 1,)
            except (PageBuddyError, TypeError):
                kind |= _NO_ROOM
        return memmapping.reduce_array_memmap_backward(array)

    data = _pickled(outcome, reduced, memmapping.reduce_array_memmap_backward)
    # An exception is in a cycle with this frame.
    del outcome
    stowed = _stowed(_worker_arena, data, folder)
    return kind | _NO_ROOM * isinstance(stowed, str), stowed, *taken


# -- joblib's own backends


def _handle_first(reducer: Any, array: Any) -> Any:
    """Reduce an array in a shared arena to a handle, where joblib would write it to a file."""
    mode = reducer._mmap_mode
    if _is_for_arena(array, reducer._max_nbytes) and mode in _SHARED_MODES:
        try:
            reduced = reduced_if_wanted(np, _readonly(array) if mode == "r" else array)
        except PageBuddyError as error:
            fallbacks.count("file", f"an array cannot be sent as a handle: {error}; a file is used")
            reduced = None
        if reduced is not None:
            return reduced
    return _as_file(reducer, array)


_as_file = memmapping.ArrayMemmapForwardReducer.__call__
memmapping.ArrayMemmapForwardReducer.__call__ = _handle_first

joblib.register_parallel_backend("pagebuddy", ArenaBackend)
