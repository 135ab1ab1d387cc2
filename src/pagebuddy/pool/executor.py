"""ArenaExecutor: a pool of processes whose arguments and results stay where they are."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from traceback import clear_frames
from typing import Any, TypeVar

from pagebuddy.arena.arena import Arena
from pagebuddy.pool.breaking import break_apart
from pagebuddy.pool.parcel import Parcel, Sent

_T = TypeVar("_T")

# The arena of the pool that this process is a worker of.
_POOL_ARENA: list[Any] = []


class ArenaExecutor(ProcessPoolExecutor):
    """A `concurrent.futures.ProcessPoolExecutor` whose arguments and results travel through an arena.

    What lies in the arena is passed on without a copy, anything else of 4 KiB or more is copied in once,
    as `Arena.dumps` does it. Functions are ordinary functions of arrays. A worker sees an argument that
    lies in the arena as it is, not as it was: it can change it. A result holds its pages until it dies.

    arena    the arena; by default a new one, as large as half of the machine's memory, of which only
             what is used costs anything. At any moment it has to hold the arguments of the calls under
             way, two or so a worker, and all results that were not dropped yet
    All others are those of `ProcessPoolExecutor`, and so are the errors. `OutOfPages` and `OutOfTickets`
    come from the future whose argument or result had no room.

    Where a worker dies the futures raise `BrokenProcessPool`, what it held is reaped, and what was sent
    to it ends. A worker that is started by "fork" holds what this process held then until it ends; by
    "spawn" and "forkserver" it holds what it works on.

    >>> import pagebuddy as pb
    >>> with pb.ArenaExecutor(1) as pool:
    ...     list(pool.map(len, [b"hello", b"you"]))
    [5, 3]
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: Any = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        arena: Arena | None = None,
        **options: Any,
    ) -> None:
        if arena is None:
            arena = Arena(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
        elif not isinstance(arena, Arena):
            raise TypeError(f"arena is {arena!r}; it must be an Arena, or None for a new one")
        if not arena._open.medium.shared:
            raise ValueError("the arena is of this process alone; a pool needs a shared one")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        first = Parcel(arena, (initializer, tuple(initargs)))
        self._arena = arena
        self._sent_first = first.sent
        super().__init__(max_workers, mp_context, _begin_worker, (arena, first), **options)

    def _start_executor_manager_thread(self) -> None:
        super()._start_executor_manager_thread()
        break_apart(self)

    @property
    def arena(self) -> Arena:
        """The arena through which arguments and results travel."""
        return self._arena

    def submit(self, fn: Callable[..., _T], /, *args: Any, **kwargs: Any) -> Future[_T]:
        """Call a function in a worker; see `concurrent.futures.Executor.submit`.

        Arguments are packed when a worker is about to have them; where they cannot be, for lack of room
        say, the future raises it.

        >>> import pagebuddy as pb
        >>> with pb.ArenaExecutor(1) as pool:
        ...     pool.submit(sum, [1, 2, 3]).result()
        6
        """
        call = Parcel(self._arena, (fn, args, kwargs))
        future: Any = super().submit(_answer, call)
        # The pool makes futures of its own kind. Nobody else has seen this one yet.
        future.__class__ = ArenaFuture
        future.arena = self._arena
        future.add_done_callback(partial(_tidy, call.sent))
        return future  # type: ignore[no-any-return]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; see `concurrent.futures.Executor.shutdown`. `with` ends by it.

        Once it has waited, nothing is in the arena of what workers were sent and did not live to have.

        >>> import pagebuddy as pb
        >>> pool = pb.ArenaExecutor(1)
        >>> pool.shutdown()
        """
        # None after a call that did not wait: nothing waits any more, and workers may still begin.
        awaited = wait and self._executor_manager_thread is not None
        super().shutdown(wait, cancel_futures=cancel_futures)
        if awaited:
            # Calls end with their futures.
            self._sent_first.end()


class ArenaFuture(Future[_T]):
    """A future whose result is unpacked by whoever asks for it first."""

    arena: Arena
    """The arena that the result lies in: it stays attached as long as this object lives."""

    def result(self, timeout: float | None = None) -> _T:
        """Return the result, as `Future.result` does; raises what `Arena.loads` raises, too."""
        parcel: Any = super().result(timeout)
        return parcel.opened()  # type: ignore[no-any-return]

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what `result` raises, as `Future.exception` does, or None. It unpacks the result."""
        error = super().exception(timeout)
        if error is not None:
            return error
        parcel: Any = super().result()
        return parcel.failure()  # type: ignore[no-any-return]


def _begin_worker(arena: Any, first: Parcel) -> None:
    _POOL_ARENA[:] = [arena]
    initializer, initargs = first.opened()
    if initializer is not None:
        initializer(*initargs)


def _answer(call: Parcel) -> Parcel:
    """In a worker: open a call, make it, and wrap what it returns."""
    fn, args, kwargs = call.opened()
    try:
        return Parcel(_POOL_ARENA[0], fn(*args, **kwargs))
    except BaseException as error:
        _empty_frames(error)
        del call, fn, args, kwargs
        raise


def _empty_frames(error: BaseException) -> None:
    """Let go of what was held by the calls that an exception leads to, as a worker keeps its last one.

    The pool cuts what leads there from the exception itself, not from those that it was raised after.
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
    """The exceptions in a group of them."""
    group = getattr(builtins, "BaseExceptionGroup", ())
    return error.exceptions if isinstance(error, group) else ()


def _tidy(sent: Sent, future: Future[Any]) -> None:
    """What failed may have been sent and not have arrived; what arrived needs no memory here."""
    # As the pool tells it: its thread unpacks no results.
    if future.cancelled() or Future.exception(future) is not None:
        sent.end()
    else:
        sent.forget()
