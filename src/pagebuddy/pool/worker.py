"""The worker process of a pool: it takes calls, runs them, and puts their results."""

from __future__ import annotations

import builtins
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import parent_process
from multiprocessing.connection import wait
from traceback import clear_frames, format_exception
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any

from pagebuddy.errors import OutOfPages
from pagebuddy.exchange.delivery import load
from pagebuddy.exchange.dumping import call_back, dump
from pagebuddy.messages.parcel import packed_anyhow, packed_message, unpacked_message
from pagebuddy.pickled import permanent
from pagebuddy.pool.calls import name_of_function
from pagebuddy.pool.frames import (
    ARGS,
    FAILURE,
    HEAD,
    NOT_BEGUN,
    PART,
    READY,
    RESULT,
    VALUE,
)
from pagebuddy.pool.inherited import release_inherited
from pagebuddy.pool.rings import Places, Rings
from pagebuddy.sharing.words import DONE, R_GETS, R_PUTS, TIED

if TYPE_CHECKING:
    from collections.abc import Callable

    from pagebuddy.arena.arena import Arena

# The pool's process wakes its workers if one of them has died, so they need not look.
_LONG_MS = 1 << 30
_SLICE_MS = 100
# If there is no room for a result, a worker pauses so often, in seconds. Then it sleeps until woken.
_PAUSES = 10
_PAUSE_S = 0.001
_MOST_FUNCTIONS = 256
_STREAMS = GeneratorType, CoroutineType, AsyncGeneratorType


class Beginning:
    """What a worker begins with. A worker that is forked has it as it is; others unpickle it."""

    def __init__(
        self,
        arena: Arena,
        places: Places,
        row: int,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
        numpy_memory: bool,
        most_tasks: int | None,
    ) -> None:
        self.arena = arena
        self.places = places
        self.row = row
        self.numpy_memory = numpy_memory
        self.most_tasks = most_tasks
        self._first: Any = (initializer, initargs)
        # What was sent of it, and not received yet.
        self._data: bytes | None = None

    def first(self) -> Any:
        """The initializer and its arguments. Raises what unpickling them raises."""
        data, self._data = self._data, None
        if data is not None:
            return load(self.arena._open, data)
        first, self._first = self._first, None
        return first

    def forget(self) -> None:
        """Refer to nothing any more: it has arrived."""
        self._first = self._data = None

    def drop(self) -> None:
        """The same, and end the handles that were not claimed."""
        data, self._first, self._data = self._data, None, None
        if data is not None and not self.arena.closed:
            call_back(self.arena._open, data)

    def __reduce__(self) -> Any:
        # While a process is started, because locks and queues can only be pickled then.
        self._data = dump(self.arena, self._first, life_ms=TIED)
        values = self.arena, tuple(self.places), self.row, self.numpy_memory, self.most_tasks
        return beginning_of, (*values, self._data)


@permanent
def beginning_of(
    arena: Arena,
    places: tuple[int, int, int, int],
    row: int,
    numpy_memory: bool,
    most_tasks: int | None,
    data: bytes,
) -> Beginning:
    """Return what a worker begins with; the pickle that starts one calls this."""
    beginning = Beginning(arena, Places(*places), row, None, (), numpy_memory, most_tasks)
    beginning._data = data
    return beginning


def work(beginning: Beginning) -> None:
    """Be a worker, until the pool ends."""
    release_inherited()
    threading.Thread(target=_end_with_parent, daemon=True, name="end-with-parent").start()
    rings = Rings.join(beginning.arena._open, beginning.places)
    if rings is None:
        # The pool has ended.
        return
    worker = _Worker(beginning, rings)
    with suppress(ValueError):
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, worker.interrupt)
    if worker.begin(beginning):
        worker.run()


def _end_with_parent() -> None:
    """End this process when its parent ends."""
    parent = parent_process()
    if parent is None:
        return
    # Processes that joblib starts have no sentinel.
    watched: list[Any] = [] if parent.sentinel is None else [parent.sentinel]
    # A process that was forked later may have a copy of the pipe behind the sentinel.
    with suppress(OSError, AttributeError):
        watched.append(os.pidfd_open(parent.pid))  # type: ignore[arg-type]
    if not watched and os.getppid() == parent.pid:
        return
    wait(watched)
    os._exit(1)


class _Worker:
    """The loop of a worker, and what it needs."""

    def __init__(self, beginning: Beginning, rings: Rings) -> None:
        self._arena = beginning.arena
        self._a = beginning.arena._open
        self._rings = rings
        self._row = beginning.row
        self._progress = rings.progress(beginning.row)
        self._tasks_left = beginning.most_tasks
        self._functions: dict[bytes, Any] = {}
        self._is_running = False
        # A call may fork, and return in the child too.
        self._is_copy = False
        os.register_at_fork(after_in_child=self._become_copy)
        # Until numpy allocates in the arena: workers that do not use it do not import it.
        wanted = beginning.numpy_memory and not self._a.is_readonly
        self._for_numpy = self._arena if wanted else None

    def interrupt(self, number: int, frame: Any) -> None:
        """Handle SIGINT: interrupt a call, and nothing else."""
        if self._is_running:
            self._is_running = False
            raise KeyboardInterrupt

    def _become_copy(self) -> None:
        self._is_copy = True

    def begin(self, beginning: Beginning) -> bool:
        """Run the initializer; whether the worker can run calls."""
        try:
            self._is_running = True
            initializer, initargs = beginning.first()
            self._enter_numpy_memory()
            if initializer is not None:
                initializer(*initargs)
            self._is_running = False
        except BaseException:
            self._is_running = False
            import logging

            logging.getLogger("concurrent.futures").critical(
                "Exception in initializer:", exc_info=True
            )
            self._put(RESULT.pack(self._row, 0, 0, NOT_BEGUN), _NOTHING)
            return False
        initializer = initargs = None
        self._put(RESULT.pack(self._row, 0, 0, READY), _NOTHING)
        return True

    def run(self) -> None:
        """Run calls until the pool ends, or this worker has run as many as it may."""
        calls = self._rings.calls
        while self._tasks_left is None or self._tasks_left > 0:
            message = self._next()
            if message is None:
                return
            data = calls.data_of(message)
            pages = calls.pages_of(message)
            first, n, length = HEAD.unpack_from(data)
            # What is noted before the message is finished is never lost.
            self._progress.begin(first, n)
            calls.finish(message)
            message = None
            at = HEAD.size + length
            function = data[HEAD.size : at]
            body = at + n * PART.size
            for number in range(first, first + n):
                form, _, n_pages, length = PART.unpack_from(data, at)
                mine, pages = (pages, []) if n == 1 else (pages[:n_pages], pages[n_pages:])
                if not self._progress.start_next():
                    break
                self._answer(number, function, form, data[body : body + length], mine)
                at += PART.size
                body += length
            del data, pages, mine

    def _next(self) -> Any:
        """Take the next message; None if there will be no more."""
        calls = self._rings.calls
        while True:
            message = calls.take()
            if message is None and calls.spin():
                message = calls.take()
            if message is None:
                seen = calls.announce(R_PUTS)
                message = calls.take()
                if message is None:
                    calls.sleep(R_PUTS, seen, _LONG_MS)
                    continue
            return message or None

    def _answer(
        self, number: int, function: bytes, form: int, data: bytes, pages: list[Any]
    ) -> None:
        """Run a call, and put its result."""
        begun = time.perf_counter_ns()
        fn = value = None
        try:
            self._is_running = True
            fn, args, kwargs = self._opened(function, form, data, pages)
            if self._for_numpy is not None:
                self._enter_numpy_memory()
            value = fn(*args, **kwargs)
            self._is_running = False
            if self._is_copy:
                os._exit(1)
            # Released before the result is known.
            args = kwargs = None
            if isinstance(value, _STREAMS):
                raise TypeError(
                    f"{name_of_function(fn)} returned {value!r}, which cannot be sent to another "
                    "process; return a list of its items instead"
                )
            body, packed = self._packed(value)
            kind = VALUE
        except BaseException as error:
            self._is_running = False
            if self._is_copy:
                os._exit(1)
            args = kwargs = value = None
            body, packed = self._failure(error)
            kind = FAILURE
        fn = value = None
        ns = min(time.perf_counter_ns() - begun, 0xFFFF_FFFF)
        if self._tasks_left is not None:
            self._tasks_left -= 1
        try:
            self._put(RESULT.pack(number, ns, 0, kind) + packed, body)
        except Exception as error:
            # It has more buffers than a message may have, or there are no tickets.
            body, packed = self._failure(error)
            self._put(RESULT.pack(number, ns, 0, FAILURE) + packed, body)

    def _opened(self, function: bytes, form: int, data: bytes, pages: list[Any]) -> Any:
        """Return function, arguments and keyword arguments of a call. Raises what unpickling raises."""
        thing = unpacked_message(self._a, data, pages)
        if not function:
            return thing
        fn = self._functions.get(function)
        if fn is None:
            import pickle

            fn = pickle.loads(function)
            if len(self._functions) >= _MOST_FUNCTIONS:
                self._functions.clear()
            self._functions[function] = fn
        if form == ARGS:
            return fn, thing, {}
        args, kwargs = thing
        return fn, args, kwargs

    def _packed(self, value: Any) -> tuple[Any, bytes]:
        """Return the body and the bytes of a result; wait for room while results are received."""
        for _ in range(100):
            try:
                return packed_anyhow(self._arena, value, self._rings.most)
            except OutOfPages as error:
                if error.requested > self._arena.n_pages or not self._rings.results.n_pending():
                    raise
            results = self._rings.results
            results.sleep(R_GETS, results.announce(R_GETS), 10)
        return packed_anyhow(self._arena, value, self._rings.most)

    def _failure(self, error: BaseException) -> tuple[Any, bytes]:
        """Return the body and the bytes of an exception."""
        text = "".join(format_exception(type(error), error, error.__traceback__))
        empty_frames(error)
        try:
            return packed_anyhow(self._arena, Failure(error, text), self._rings.most)
        except Exception as another:
            told = "".join(format_exception(type(another), another, another.__traceback__))
            empty_frames(another)
            try:
                return packed_message(self._arena, Failure(another, told), self._rings.most)
            except Exception:
                plain = RuntimeError(f"the call raised {error!r:.200}, which cannot be sent")
                return packed_message(self._arena, Failure(plain, text[-2000:]), self._rings.most)

    def _put(self, data: bytes, body: Any) -> None:
        """Put a message, and wait for room."""
        results = self._rings.results
        pauses = _PAUSES
        while (answer := results.put(data, body)) != DONE:
            if pauses:
                # Woken for each message that is received, it would sleep again after the next.
                pauses -= 1
                time.sleep(_PAUSE_S)
                continue
            seen = results.announce(R_GETS)
            answer = results.put(data, body)
            if answer == DONE:
                return
            results.sleep(R_GETS, seen, _SLICE_MS)

    def _enter_numpy_memory(self) -> None:
        """Let numpy allocate in the arena from now on, if it was imported."""
        if self._for_numpy is not None and "numpy" in sys.modules:
            arena, self._for_numpy = self._for_numpy, None
            with suppress(NotImplementedError, ImportError):
                arena.numpy_memory().__enter__()


class _Nothing:
    """The body of a message without buffers."""

    pages: tuple[()] = ()
    shown: tuple[()] = ()
    handed = staticmethod(int)


_NOTHING = _Nothing()


class Failure:
    """An exception and its traceback, on its way to the pool's process."""

    def __init__(self, error: BaseException, text: str) -> None:
        self._error = error
        self._text = text

    def __reduce__(self) -> Any:
        return remade_failure, (self._error, self._text)


@permanent
def remade_failure(error: BaseException, text: str) -> BaseException:
    """Return an exception whose cause shows the traceback that it had in a worker."""
    # There is no public class like it, and programs know this one.
    from concurrent.futures.process import _RemoteTraceback

    error.__cause__ = _RemoteTraceback(f'\n"""\n{text}"""')  # type: ignore[arg-type]
    return error


def empty_frames(error: BaseException) -> None:
    """Clear the frames that an exception, its causes and its contexts refer to: they have arrays."""
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
