"""ArenaExecutor: a pool of processes that passes arrays without copies."""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from traceback import clear_frames
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from pagebuddy.arena.arena import Arena
from pagebuddy.pool.breaking import break_apart
from pagebuddy.pool.ending import at_end_of_workers
from pagebuddy.pool.idle import LastFailure
from pagebuddy.pool.parcel import Parcel, Sent
from pagebuddy.sharing.words import MOST_GROUPS, OP_REAP, OP_REAP_TICKETS

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

_P = ParamSpec("_P")
_T = TypeVar("_T")
_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")

# A fork server runs the main module, like a worker, from Python 3.14 on.
_SERVER_DIED = "the fork server died when a worker was to be started; see its output for the cause"

# The arena of the pool that this process is a worker of, and the group of its results.
_POOL_ARENA: list[Any] = []
# The same, until numpy allocates in it: workers that do not use numpy do not import it.
_FOR_NUMPY: list[Any] = []

_LAST_FAILURE = LastFailure()


class ArenaExecutor(ProcessPoolExecutor):
    """A `concurrent.futures.ProcessPoolExecutor` that passes arrays without copies.

    Arguments and results that are in the arena are passed as handles. Other buffers of 4 KiB or more are
    copied into the arena once, as `Arena.dumps` does it. Functions are ordinary functions of arrays.

    Parameters
    ----------
    max_workers : int, optional
        Number of processes. By default one for each CPU.
    mp_context : multiprocessing context, optional
        How workers are started. By default as `multiprocessing` starts processes.
    initializer : callable, optional
        Called in each worker when it starts.
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
    **options
        All other keyword arguments of `ProcessPoolExecutor`, for example `max_tasks_per_child`.

    Raises
    ------
    TypeError, ValueError
        If an argument has a wrong type or value, or the arena cannot be shared.

    Notes
    -----
    A worker sees an argument that is in the arena itself and not a copy: it can change it. A result
    keeps its pages until it is deleted.

    If an argument or a result does not fit into the arena, its future raises `OutOfPages` or
    `OutOfTickets`. If a worker dies, the futures raise
    `concurrent.futures.process.BrokenProcessPool`; the memory of the worker and of what was sent to it
    is freed.

    A worker that is started by "fork" holds all buffers that this process held then, until it ends. A
    worker that is started by "spawn" or "forkserver" holds only what it works on.

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
        **options: Any,
    ) -> None:
        if arena is None:
            arena = Arena(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
        elif not isinstance(arena, Arena):
            raise TypeError(f"arena is {arena!r}; it must be an Arena, or None for a new one")
        if not arena._open.medium.shared:
            raise ValueError("the arena belongs to this process alone; a pool needs a shared one")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        first = Parcel(arena, (initializer, tuple(initargs)))
        self._arena = arena
        self._first = first
        # With few pools in an arena no two have the same; only what dead workers left behind ends by it.
        self._group = 1 + int.from_bytes(os.urandom(4), "little") % MOST_GROUPS
        begin = (arena, self._group, first, bool(numpy_memory))
        super().__init__(max_workers, mp_context, _begin_worker, begin, **options)

    def _start_executor_manager_thread(self) -> None:
        super()._start_executor_manager_thread()
        break_apart(self)
        at_end_of_workers(self, partial(_end_workers, self._first, self._arena, self._group))

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
            The function. It must be importable in the worker.
        *args, **kwargs
            Its arguments. They are serialized when a worker is about to receive them.

        Returns
        -------
        ArenaFuture
            A future for the result. It also raises what serializing the arguments raises, for example
            `OutOfPages`.

        Raises
        ------
        RuntimeError
            If the pool was shut down; `BrokenProcessPool` if a worker died.

        Examples
        --------
        >>> import pagebuddy as pb
        >>> with pb.ArenaExecutor(1) as pool:
        ...     pool.submit(sum, [1, 2, 3]).result()
        6
        """
        call = Parcel(self._arena, (fn, args, kwargs))
        try:
            future: Any = super().submit(_answer, call)
        except (ConnectionError, EOFError) as error:
            self._fork_server_died(call)
            raise BrokenProcessPool(_SERVER_DIED) from error
        # The pool makes futures of its own kind. Nobody else has seen this one yet.
        future.__class__ = ArenaFuture
        future.arena = self._arena
        future.add_done_callback(partial(_tidy, call.sent))
        return future  # type: ignore[no-any-return]

    def _fork_server_died(self, call: Parcel) -> None:
        """Accept no more calls, and end what was sent to a worker that could not be started."""
        self._broken = _SERVER_DIED  # type: ignore[assignment]
        call.sent.end()
        if self._executor_manager_thread is None:
            # `shutdown` has nothing to wait for, and no worker has begun.
            self._first.drop()

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
        **options: Any,
    ) -> Iterator[_T]:
        """Call a function in the workers for each item, in parallel.

        Parameters
        ----------
        fn : callable
            The function. It takes as many arguments as there are iterables.
        *iterables
            The arguments, as for the built-in `map`. They are read at once.
        timeout : float, optional
            Seconds from now on after which the iterator raises TimeoutError. By default it waits as long
            as it takes.
        chunksize : int, optional
            How many items a worker receives at a time. More than 1 is faster for many short calls.
            Default: 1.
        **options
            All other keyword arguments of `ProcessPoolExecutor.map`, from Python 3.14 on `buffersize`.

        Returns
        -------
        iterator
            The results, in the order of the items. It raises what the function or serializing raises.

        Examples
        --------
        >>> import pagebuddy as pb
        >>> with pb.ArenaExecutor(1) as pool:
        ...     list(pool.map(pow, [2, 3], [10, 2]))
        [1024, 9]
        """
        return super().map(fn, *iterables, timeout=timeout, chunksize=chunksize, **options)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more calls. The end of a ``with`` block does this too.

        Parameters
        ----------
        wait : bool, optional
            Wait until all calls have ended. Afterwards, nothing remains in the arena of items that were
            sent to workers that died before receiving them. Default: True.
        cancel_futures : bool, optional
            Cancel the calls that have not started yet. Default: False.

        Examples
        --------
        >>> import pagebuddy as pb
        >>> pool = pb.ArenaExecutor(1)
        >>> pool.shutdown()
        """
        # None after a call that did not wait: nothing waits any more, and workers may still begin.
        thread = self._executor_manager_thread
        # Without a thread, no worker was ever started, or this is a later call.
        ended = self._processes == {} if thread is None else wait
        super().shutdown(wait, cancel_futures=cancel_futures)
        if ended:
            # Calls end with their futures.
            self._first.drop()


class ArenaFuture(Future[_T]):
    """The future of a call of an `ArenaExecutor`. The first request for its result deserializes it.

    It has all methods of `concurrent.futures.Future`.

    Examples
    --------
    >>> import pagebuddy as pb
    >>> with pb.ArenaExecutor(1) as pool:
    ...     future = pool.submit(len, b"hello")
    ...     future.result(timeout=60), future.arena is pool.arena
    (5, True)
    """

    arena: Arena
    """The arena that the result lies in: it stays attached as long as this object lives."""

    def result(self, timeout: float | None = None) -> _T:
        """Return the result of the call, and wait for it if necessary.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait. By default waits as long as it takes.

        Returns
        -------
        object
            What the function returned; the same object each time. Its arrays are views of the arena.

        Raises
        ------
        TimeoutError
            If the call has not ended after `timeout` seconds.
        concurrent.futures.CancelledError
            If the call was cancelled.
        Exception
            What the function raised, and what `Arena.loads` raises.

        Examples
        --------
        >>> import pagebuddy as pb
        >>> with pb.ArenaExecutor(1) as pool:
        ...     pool.submit(len, b"hello").result(timeout=60)
        5
        """
        parcel: Any = super().result(timeout)
        return parcel.opened()  # type: ignore[no-any-return]

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the exception that `result` would raise, and wait for the call if necessary.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait. By default waits as long as it takes.

        Returns
        -------
        BaseException or None
            None if the call succeeded. The result is deserialized to find out.

        Raises
        ------
        TimeoutError
            If the call has not ended after `timeout` seconds.
        concurrent.futures.CancelledError
            If the call was cancelled.

        Examples
        --------
        >>> import pagebuddy as pb
        >>> with pb.ArenaExecutor(1) as pool:
        ...     pool.submit(int, "five").exception(timeout=60)
        ValueError("invalid literal for int() with base 10: 'five'")
        """
        error = super().exception(timeout)
        if error is not None:
            return error
        parcel: Any = super().result()
        return parcel.failure()  # type: ignore[no-any-return]

    def _get_snapshot(self) -> tuple[bool, bool, Any, BaseException | None]:
        """Return whether it is done, whether it was cancelled, its result and its exception.

        `asyncio` asks for all of these at once, from Python 3.15 on.
        """
        if not self.done():
            return False, False, None, None
        if self.cancelled():
            return True, True, None, None
        error = self.exception()
        return True, False, None if error is not None else self.result(), error


def _begin_worker(arena: Any, group: int, first: Parcel, numpy_memory: bool) -> None:
    _POOL_ARENA[:] = [arena, group]
    _FOR_NUMPY[:] = [arena] if numpy_memory and not arena._open.is_readonly else []
    initializer, initargs = first.opened()
    first.forget()
    _enter_numpy_memory()
    if initializer is not None:
        initializer(*initargs)


def _enter_numpy_memory() -> None:
    """In a worker: let numpy allocate in the arena from now on, if it was imported."""
    if _FOR_NUMPY and "numpy" in sys.modules:
        arena = _FOR_NUMPY.pop()
        with suppress(NotImplementedError, ImportError):
            arena.numpy_memory().__enter__()


def _end_workers(first: Parcel, arena: Any, group: int) -> None:
    """When all workers have ended, release what was sent to them, and what they could not send."""
    first.drop()
    # In the pool's thread, where an error would only be printed.
    with suppress(Exception):
        a = arena._open
        # Only the tickets of processes that have ended are left behind.
        a.perform(a.request(), OP_REAP)
        a.perform(a.request(group=group), OP_REAP_TICKETS)


def _answer(call: Parcel) -> Parcel:
    """In a worker: unpack a call, execute it, and pack what it returns."""
    loop = sys._getframe(1)
    _LAST_FAILURE.release(loop)
    fn, args, kwargs = call.opened()
    _enter_numpy_memory()
    try:
        arena, group = _POOL_ARENA
        return Parcel(arena, fn(*args, **kwargs), group)
    except BaseException as error:
        _empty_frames(error)
        del call, fn, args, kwargs
        _LAST_FAILURE.keep_a_second(loop)
        raise


def _empty_frames(error: BaseException) -> None:
    """Clear the frames that an exception refers to: a worker keeps its last exception.

    The pool clears those of the exception itself, but not those of its causes and contexts.
    """
    left: list[Any] = [error]
    seen = set()
    while left:
        one = left.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            clear_frames(one.__traceback__)
            left += one.__cause__, one.__context__, *_members(one)


def _members(error: BaseException) -> Sequence[BaseException]:
    """The exceptions in an exception group; none for other exceptions."""
    group = getattr(builtins, "BaseExceptionGroup", ())
    return error.exceptions if isinstance(error, group) else ()


def _tidy(sent: Sent, future: Future[Any]) -> None:
    """End what a failed call sent, which may not have arrived; forget what a successful call sent."""
    # The pool's own method: its thread must not unpack results.
    if future.cancelled() or Future.exception(future) is not None:
        sent.end()
    else:
        sent.forget()
