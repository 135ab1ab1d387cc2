"""Calls: what a pool is to do, and where each result goes."""

from __future__ import annotations

import pickle
import sys
from concurrent import futures
from concurrent.futures import Future
from threading import Lock
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from pagebuddy.exchange.dumping import has_cloudpickle

if TYPE_CHECKING:
    from pagebuddy.arena.arena import Arena
    from pagebuddy.pool.dispatcher import Dispatcher
    from pagebuddy.pool.frames import Batch

_T = TypeVar("_T")


class Target:
    """A function that calls name, and how long it takes.

    `data` is its pickle if that names it, so that workers unpickle it once; else None. If it is
    `by_value`, cloudpickle is to pickle all of a call, because workers cannot import `__main__`.
    """

    __slots__ = ("by_value", "data", "fn", "n_seen", "ns")

    def __init__(self, fn: Any, knows_main: bool = True) -> None:
        self.fn = fn
        is_known = knows_main or getattr(fn, "__module__", None) != "__main__"
        self.data = _pickle_by_name(fn) if is_known else None
        self.by_value = not is_known or (self.data is None and not knows_main and has_cloudpickle())
        self.n_seen = 0
        self.ns = 0

    def note(self, ns: int) -> None:
        """Note how long a call took. A longer time counts at once, a shorter one little by little."""
        self.n_seen += 1
        self.ns = ns if ns > self.ns else self.ns - ((self.ns - ns) >> 3)

    @property
    def name(self) -> str:
        """Its name, for messages."""
        return name_of_function(self.fn)


def main_is_importable() -> bool:
    """Whether `__main__` is a file or module, which workers import: not what is typed in or piped."""
    main = sys.modules.get("__main__")
    return hasattr(main, "__file__") or getattr(main, "__spec__", None) is not None


def _pickle_by_name(fn: Any) -> bytes | None:
    kind = type(fn)
    if kind is FunctionType:
        by_name = "<" not in fn.__qualname__
    elif kind is BuiltinFunctionType:
        by_name = fn.__self__ is None or type(fn.__self__) is ModuleType
    else:
        numpy = sys.modules.get("numpy")
        by_name = isinstance(fn, type) or (numpy is not None and kind is numpy.ufunc)
    if not by_name:
        return None
    try:
        return pickle.dumps(fn, 5)
    except Exception:
        # The call itself will report it.
        return None


def name_of_function(fn: Any) -> str:
    """The name of a function, for messages."""
    fn = getattr(fn, "func", fn)
    name = getattr(fn, "__qualname__", None) or getattr(fn, "__name__", None)
    if name is None:
        return repr(fn)
    module = getattr(fn, "__module__", None)
    return f"{module}.{name}" if module and module != "builtins" else str(name)


class Call:
    """A call that was not answered yet.

    `number` is that of the last time it was sent; 0 before. `arrived` says that its result is in this
    process. `batch` is what it was sent with, and `lives` how often it may be sent again after its
    worker died.
    """

    __slots__ = ("args", "arrived", "batch", "is_claimed", "kwargs", "lives", "number", "target")

    def __init__(
        self, target: Target, args: tuple[Any, ...], kwargs: dict[str, Any], lives: int
    ) -> None:
        self.target = target
        self.args = args
        self.kwargs = kwargs
        self.lives = lives
        self.number = 0
        self.arrived = False
        self.is_claimed = False
        self.batch: Batch | None = None

    def claim(self) -> bool:
        """Let it be cancelled no more; False if it was cancelled."""
        raise NotImplementedError

    def cancel(self) -> bool:
        """Cancel it, unless it may have started."""
        raise NotImplementedError

    def is_done(self) -> bool:
        """Whether it has ended."""
        raise NotImplementedError

    def succeed(self, value: Any) -> None:
        """Give it its result. Does nothing if it has ended already."""
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        """Give it its exception. Does nothing if it has ended already."""
        raise NotImplementedError


class ArenaFuture(Future[_T]):
    """The future of a call of an `ArenaExecutor`: a `concurrent.futures.Future`.

    A thread that waits in `result` or `exception` receives results itself, so that no other thread needs
    to run.

    Examples
    --------
    >>> import pagebuddy as pb
    >>> with pb.ArenaExecutor(1) as pool:
    ...     future = pool.submit(len, b"hello")
    ...     future.result(timeout=60), future.arena is pool.arena
    (5, True)
    """

    _dispatcher: Dispatcher | None = None

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
        pagebuddy.WorkerDied
            If the worker died while it ran the call.
        Exception
            What the function raised, and what serializing its arguments or its result raised.

        Examples
        --------
        >>> import pagebuddy as pb
        >>> with pb.ArenaExecutor(1) as pool:
        ...     pool.submit(len, b"hello").result(timeout=60)
        5
        """
        dispatcher = self._dispatcher
        if dispatcher is not None and not self.done():
            timeout = dispatcher.lead(self.done, timeout)
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the exception that `result` would raise, and wait for the call if necessary.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait. By default waits as long as it takes.

        Returns
        -------
        BaseException or None
            None if the call succeeded.

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
        dispatcher = self._dispatcher
        if dispatcher is not None and not self.done():
            timeout = dispatcher.lead(self.done, timeout)
        return super().exception(timeout)


class Submitted(Call):
    """A call of `submit`, which has a future."""

    __slots__ = ("future",)

    def __init__(
        self,
        target: Target,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        lives: int,
        future: Future[Any],
    ) -> None:
        super().__init__(target, args, kwargs, lives)
        self.future = future

    def claim(self) -> bool:
        if not self.is_claimed:
            # It runs already if an exception came between the last time.
            if not self.future.running() and not self.future.set_running_or_notify_cancel():
                return False
            self.is_claimed = True
        return True

    def cancel(self) -> bool:
        return self.future.cancel()

    def is_done(self) -> bool:
        return self.future.done()

    def succeed(self, value: Any) -> None:
        if not self.future.done():
            self.future.set_result(value)

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


_WAITING, _SENT, _DONE, _FAILED, _CANCELLED = range(5)


class Mapped(Call):
    """A call of `map`: its result has one reader, and no callbacks."""

    __slots__ = ("_outcome", "_reader", "_state")

    def __init__(self, target: Target, args: tuple[Any, ...], lives: int) -> None:
        super().__init__(target, args, {}, lives)
        self._state = _WAITING
        self._outcome: Any = None
        # A lock that the reader waits for, while another thread receives results.
        self._reader: Any = None

    def claim(self) -> bool:
        if self._state == _CANCELLED:
            return False
        self._state = _SENT
        return True

    def cancel(self) -> bool:
        if self._state == _WAITING:
            self._state = _CANCELLED
        return self._state == _CANCELLED

    def is_done(self) -> bool:
        return self._state >= _DONE

    def succeed(self, value: Any) -> None:
        self._end(value, _DONE)

    def fail(self, error: BaseException) -> None:
        self._end(error, _FAILED)

    def _end(self, outcome: Any, state: int) -> None:
        if self._state < _DONE:
            self._outcome = outcome
            self._state = state
            reader = self._reader
            if reader is not None:
                reader.release()

    def result(self, dispatcher: Dispatcher, timeout: float | None) -> Any:
        """Return the result, once. Raises what the call raised, and TimeoutError."""
        if self._state < _DONE:
            timeout = dispatcher.lead(self.is_done, timeout)
            if self._state < _DONE:
                self._wait(timeout)
        outcome, self._outcome = self._outcome, None
        if self._state == _DONE:
            return outcome
        try:
            raise outcome
        finally:
            del outcome

    def _wait(self, timeout: float | None) -> None:
        reader = self._reader = Lock()
        reader.acquire()
        if self._state < _DONE and not reader.acquire(
            timeout=-1 if timeout is None else max(timeout, 0)
        ):
            # Since Python 3.11, this is the built-in one.
            raise futures.TimeoutError
        self._reader = None
