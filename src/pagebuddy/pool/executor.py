"""ArenaExecutor: a pool of processes that passes arrays without copies."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from itertools import islice
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from pagebuddy.arena.arena import Arena
from pagebuddy.arguments import whole
from pagebuddy.pool.calls import ArenaFuture, Mapped, Submitted
from pagebuddy.pool.crew import Plan
from pagebuddy.pool.dispatcher import Dispatcher

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

_P = ParamSpec("_P")
_T = TypeVar("_T")
_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")

# What else uses the arena: this process.
_OTHER_SLOTS = 2


class ArenaExecutor(Executor):
    """A `concurrent.futures.Executor` of processes that passes arrays without copies.

    It has the methods of `concurrent.futures.ProcessPoolExecutor`. Arguments and results that are in the
    arena are passed as handles. Other buffers of 4 KiB or more are copied into the arena once, as
    `Arena.dumps` does it. Functions are ordinary functions of arrays.

    Parameters
    ----------
    max_workers : int, optional
        Number of processes. By default one for each CPU that this process may use.
    mp_context : multiprocessing context, optional
        How workers are started. By default as `multiprocessing` starts processes.
    initializer : callable, optional
        Called in each worker when it starts. If it raises, the pool breaks.
    initargs : tuple, optional
        Arguments of `initializer`.
    arena : Arena, optional
        The shared arena through which arguments and results travel. It must have room for the arguments
        of the calls in progress, about two a worker, and for all results that still exist. By default a
        new arena of half of the machine's memory, of which only used pages take memory.
    numpy_memory : bool, optional
        Workers allocate their arrays of 64 KiB or more in the arena, so that results are not copied; see
        `Arena.numpy_memory`. This includes intermediate results. If there is no room, a worker uses
        numpy's own memory. Has no effect where `Arena.numpy_memory` is not available. Default: True.
    max_tasks_per_child : int, optional
        How many calls a worker runs before another one replaces it. By default as many as there are. Not
        possible with "fork"; by default workers are then spawned.
    restart : bool, optional
        Replace workers that die: then only the call that such a worker was running fails, with
        `WorkerDied`. If False, the death of a worker breaks the pool, as it does in Python's own.
        Default: True, except with "fork", where True is not possible: a process that has threads cannot
        fork safely.
    retries : int, optional
        How often a call is run again whose worker died. Only for functions that may run twice.
        Default: 0.

    Raises
    ------
    TypeError, ValueError
        If an argument has a wrong type or value, or the arena cannot be shared.
    OutOfPages
        If the arena has no room for the pool's own queues.

    Notes
    -----
    A worker sees an argument that is in the arena itself and not a copy: it can change it. A result
    keeps its pages until it is deleted.

    If an argument or a result does not fit into the arena, its future raises `OutOfPages` or
    `OutOfTickets`. It waits for room while calls are running that may free some.

    Arguments are serialized when a worker is about to receive them. Many short calls are sent together.

    Prefer "forkserver" or "spawn". A worker that is started by "fork" keeps what global variables and
    closures referred to then, until it ends. It releases the arrays and buffers in local variables of
    this process, before Python 3.14.

    Examples
    --------
    >>> import pagebuddy as pb
    >>> with pb.ArenaExecutor(1) as pool:
    ...     list(pool.map(len, [b"hello", b"you"]))
    [5, 3]
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: BaseContext | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        arena: Arena | None = None,
        numpy_memory: bool = True,
        max_tasks_per_child: int | None = None,
        restart: bool | None = None,
        retries: int = 0,
    ) -> None:
        if arena is not None and not isinstance(arena, Arena):
            raise TypeError(f"arena is {arena!r}; it must be an Arena, or None for a new one")
        if arena is not None and not arena._open.medium.shared:
            raise ValueError("the arena belongs to this process alone; a pool needs a shared one")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        n_workers = _checked_workers(max_workers, arena)
        if max_tasks_per_child is not None:
            if not isinstance(max_tasks_per_child, int):
                raise TypeError("max_tasks_per_child must be an integer")
            if max_tasks_per_child <= 0:
                raise ValueError("max_tasks_per_child must be >= 1")
        if mp_context is None:
            mp_context = multiprocessing.get_context(
                "spawn" if max_tasks_per_child is not None else None
            )
        forks = mp_context.get_start_method(allow_none=False) == "fork"
        if forks and max_tasks_per_child is not None:
            raise ValueError(
                "max_tasks_per_child is incompatible with the 'fork' multiprocessing start method; "
                "supply a different mp_context."
            )
        if forks and restart:
            raise ValueError(
                "restart is True, but forked workers cannot be replaced: a process that has threads "
                "cannot fork safely; give mp_context=multiprocessing.get_context('forkserver'), or "
                "leave restart out"
            )
        self._retries = whole(retries, "retries")
        if arena is None:
            size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
            slots = max(48, -(-(n_workers + _OTHER_SLOTS + 16) // 16) * 16)
            arena = Arena(size, slots=slots)
        self._arena = arena
        # A process that only reads an arena cannot put anything there.
        own = (
            Arena(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
            if (arena._open.is_readonly)
            else arena
        )
        plan = Plan(
            own,
            n_workers,
            mp_context,
            initializer,
            tuple(initargs),
            bool(numpy_memory),
            max_tasks_per_child,
            not forks if restart is None else bool(restart),
        )
        self._dispatcher = Dispatcher(arena, plan)
        self._ended = weakref.finalize(self, _abandon, self._dispatcher)

    @property
    def arena(self) -> Arena:
        """The arena through which arguments and results travel."""
        return self._arena

    def submit(
        self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> ArenaFuture[_T]:
        """Call a function in a worker.

        Parameters
        ----------
        fn : callable
            The function. It must be importable in the worker, unless cloudpickle is installed.
        *args, **kwargs
            Its arguments. They are serialized when a worker is about to receive them.

        Returns
        -------
        ArenaFuture
            A future for the result. It also raises what serializing the arguments raises, for example
            `OutOfPages`, and `WorkerDied`.

        Raises
        ------
        RuntimeError
            If the pool was shut down; `BrokenProcessPool` if it is broken.

        Examples
        --------
        >>> import pagebuddy as pb
        >>> with pb.ArenaExecutor(1) as pool:
        ...     pool.submit(sum, [1, 2, 3]).result()
        6
        """
        dispatcher = self._dispatcher
        future: ArenaFuture[_T] = ArenaFuture()
        future.arena = self._arena
        future._dispatcher = dispatcher
        dispatcher.add([Submitted(dispatcher.target(fn), args, kwargs, self._retries, future)])
        return future

    if TYPE_CHECKING:
        # As for the built-in `map`: the items must be what the function takes.
        @overload  # type: ignore[override]
        def map(
            self,
            fn: Callable[[_A], _T],
            iterable: Iterable[_A],
            /,
            *,
            timeout: float | None = None,
            chunksize: int = 1,
            buffersize: int | None = None,
        ) -> Iterator[_T]: ...

        @overload
        def map(
            self,
            fn: Callable[[_A, _B], _T],
            iterable: Iterable[_A],
            iterable2: Iterable[_B],
            /,
            *,
            timeout: float | None = None,
            chunksize: int = 1,
            buffersize: int | None = None,
        ) -> Iterator[_T]: ...

        @overload
        def map(
            self,
            fn: Callable[[_A, _B, _C], _T],
            iterable: Iterable[_A],
            iterable2: Iterable[_B],
            iterable3: Iterable[_C],
            /,
            *,
            timeout: float | None = None,
            chunksize: int = 1,
            buffersize: int | None = None,
        ) -> Iterator[_T]: ...

        @overload
        def map(
            self,
            fn: Callable[..., _T],
            iterable: Iterable[Any],
            iterable2: Iterable[Any],
            iterable3: Iterable[Any],
            iterable4: Iterable[Any],
            /,
            *iterables: Iterable[Any],
            timeout: float | None = None,
            chunksize: int = 1,
            buffersize: int | None = None,
        ) -> Iterator[_T]: ...

    def map(
        self,
        fn: Callable[..., _T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[_T]:
        """Call a function in the workers for each item, in parallel.

        Parameters
        ----------
        fn : callable
            The function. It takes as many arguments as there are iterables.
        *iterables
            The arguments, as for the built-in `map`. They are read at once, unless there is a
            `buffersize`.
        timeout : float, optional
            Seconds from now on after which the iterator raises TimeoutError. By default it waits as long
            as it takes.
        chunksize : int, optional
            Accepted as in `ProcessPoolExecutor.map`. Short calls are sent together in any case.
            Default: 1.
        buffersize : int, optional
            How many chunks are submitted whose results were not yielded yet. The iterables are read as
            results are yielded, so they may be endless. By default all items are submitted at once.

        Returns
        -------
        iterator
            The results, in the order of the items. It raises what the function or serializing raises.

        Raises
        ------
        TypeError, ValueError
            If `chunksize` or `buffersize` is not a number of at least 1.
        RuntimeError
            If the pool was shut down; `BrokenProcessPool` if it is broken.

        Examples
        --------
        >>> import pagebuddy as pb
        >>> with pb.ArenaExecutor(1) as pool:
        ...     list(pool.map(pow, [2, 3], [10, 2]))
        [1024, 9]
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        end = None if timeout is None else timeout + time.monotonic()
        dispatcher = self._dispatcher
        target = dispatcher.target(fn)
        lives = self._retries
        items = zip(*iterables)  # noqa: B905
        first = items if buffersize is None else islice(items, buffersize * chunksize)
        calls = deque(Mapped(target, args, lives) for args in first)
        dispatcher.add(list(calls))
        more = None if buffersize is None else items
        return _results(dispatcher, weakref.ref(self), calls, target, lives, more, end)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more calls. The end of a ``with`` block does this too.

        Parameters
        ----------
        wait : bool, optional
            Wait until all calls have ended, and the workers too. Afterwards, the pool has nothing in the
            arena. Default: True.
        cancel_futures : bool, optional
            Cancel the calls that have not started yet. Default: False.

        Examples
        --------
        >>> import pagebuddy as pb
        >>> pool = pb.ArenaExecutor(1)
        >>> pool.shutdown()
        """
        dispatcher = self._dispatcher
        dispatcher.shut(cancel_futures)
        if wait:
            dispatcher.join()

    def kill_workers(self) -> None:
        """Kill all workers at once, by SIGKILL, and shut the pool down.

        Calls that have not ended raise `BrokenProcessPool`.

        Examples
        --------
        >>> import pagebuddy as pb
        >>> pool = pb.ArenaExecutor(1)
        >>> pool.kill_workers()
        """
        self._dispatcher.kill("kill_workers", terminate=False)

    def terminate_workers(self) -> None:
        """End all workers at once, by SIGTERM, and shut the pool down.

        Calls that have not ended raise `BrokenProcessPool`.

        Examples
        --------
        >>> import pagebuddy as pb
        >>> pool = pb.ArenaExecutor(1)
        >>> pool.terminate_workers()
        """
        self._dispatcher.kill("terminate_workers", terminate=True)

    def __repr__(self) -> str:
        return f"<ArenaExecutor: {self._dispatcher!r}>"


def _results(
    dispatcher: Dispatcher,
    pool: weakref.ref[ArenaExecutor],
    calls: deque[Mapped],
    target: Any,
    lives: int,
    items: Any,
    end: float | None,
) -> Iterator[Any]:
    """Yield the results of calls; while there are items, add a call for each."""
    try:
        while calls:
            if items is not None and pool() is not None:
                args = next(items, None)
                if args is None:
                    items = None
                else:
                    call = Mapped(target, args, lives)
                    dispatcher.add([call])
                    calls.append(call)
            # The result alone refers to its buffers, while the caller has it.
            yield calls.popleft().result(
                dispatcher, None if end is None else max(end - time.monotonic(), 0.0)
            )
    finally:
        for call in calls:
            call.cancel()


def _checked_workers(max_workers: int | None, arena: Arena | None) -> int:
    """Return the number of workers. Raises TypeError and ValueError."""
    most = None if arena is None else arena._open.layout.n_slots - _OTHER_SLOTS
    if max_workers is None:
        n = (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1
        )
        n = n if most is None else max(min(n, most), 1)
        return min(n, 61) if sys.platform == "win32" else n
    if max_workers <= 0:
        raise ValueError("max_workers must be greater than 0")
    if sys.platform == "win32" and max_workers > 61:
        raise ValueError("max_workers must be <= 61")
    if most is not None and max_workers > most:
        raise ValueError(
            f"max_workers is {max_workers}, but the arena has slots for {most + 1} processes, of which "
            f"this process has one; give at most {most} workers, or create the arena with more slots: "
            "slots=112, 176 and so on"
        )
    return int(max_workers)


def _abandon(dispatcher: Dispatcher) -> None:
    """End a pool that nobody refers to, when its calls are done."""
    if dispatcher.pid == os.getpid():
        dispatcher.shut(False)
