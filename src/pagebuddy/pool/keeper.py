"""Keeper: a pool's thread. It leads while no other thread does, and looks after the workers."""

from __future__ import annotations

import os
import threading
import time
import weakref
from contextlib import suppress
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from pagebuddy.sharing.words import R_PUTS

if TYPE_CHECKING:
    from pagebuddy.pool.dispatcher import Dispatcher

# While other threads lead again and again, the keeper looks so often whether they still do, in seconds.
_PAUSE_S = 0.002
_SLICE_S = 0.1
_MOST_FAILURES = 10

_LIVING: weakref.WeakSet[Dispatcher] = weakref.WeakSet()
_is_exiting = False


class Leader:
    """What a thread refers to while it waits for results: however it ends, this ends with it."""

    __slots__ = ("__weakref__",)


class Keeper:
    """The thread of a pool.

    It is in one of these states:
    - It leads: it waits for results.
    - Another thread leads, or did a moment ago: it looks again after a pause.
    - No call is open, and for a while none was: it sleeps until one is added, or a worker dies.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._thread: threading.Thread | None = None
        self._is_idle = False
        self._is_resting = False
        self._n_led = 0
        self._pipe: tuple[int, int] | None = None

    def start(self) -> None:
        """Start the thread, if it was not started. The caller has the dispatcher's lock."""
        if self._thread is None:
            if _is_exiting:
                raise RuntimeError("cannot schedule new futures after interpreter shutdown")
            reading, writing = self._pipe = os.pipe()
            os.set_blocking(writing, False)
            os.set_blocking(reading, False)
            self._thread = threading.Thread(target=self._run, name="ArenaExecutor")
            _LIVING.add(self._dispatcher)
            self._thread.start()

    def is_started(self) -> bool:
        """Whether there is a thread."""
        return self._thread is not None

    def is_current(self) -> bool:
        """Whether this is the thread, in which no signals are handled."""
        return self._thread is threading.current_thread()

    def join(self) -> None:
        """Wait until the thread has ended."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def wake(self) -> None:
        """Let the thread look at everything again."""
        rings = self._dispatcher.rings
        if rings is not None:
            rings.results.wake_all()
        self._wake_sleeping()

    def _wake_sleeping(self) -> None:
        pipe = self._pipe
        if pipe is not None:
            try:
                os.write(pipe[1], b"x")
            except OSError:
                # It is full, or closed.
                return

    def wake_if_idle(self) -> None:
        """The same, if the thread sleeps because nothing was to do."""
        if self._is_idle:
            # Once: until it runs, this thread may come here many times.
            self._is_idle = False
            self._wake_sleeping()

    def wake_if_resting(self) -> None:
        """The same, if another thread has led for long, and leads no more."""
        if self._is_resting and self._dispatcher.sender.n_open():
            self._is_resting = False
            self._wake_sleeping()

    def _run(self) -> None:
        dispatcher = self._dispatcher
        n_failures = 0
        while True:
            try:
                while not dispatcher.is_over():
                    self._step()
                dispatcher.close()
                break
            except Exception as error:
                # Such as MemoryError. Nobody would receive results without this thread.
                n_failures += 1
                if n_failures > _MOST_FAILURES:
                    raise
                with suppress(Exception):
                    dispatcher.break_apart(error)
        pipe, self._pipe = self._pipe, None
        _LIVING.discard(dispatcher)
        if pipe is not None:
            os.close(pipe[0])
            os.close(pipe[1])

    def _step(self) -> None:
        dispatcher = self._dispatcher
        # After an exception, what was added may not have been sent.
        dispatcher.sender.feed()
        n_led = dispatcher.n_led
        if n_led != self._n_led or dispatcher.is_led():
            if n_led != self._n_led:
                self._n_led = n_led
                time.sleep(_PAUSE_S)
            else:
                # One leads for a long time.
                self._is_resting = True
                if dispatcher.is_led():
                    self._sleep(_SLICE_S)
                self._is_resting = False
            dispatcher.crew.look_after_sometimes()
            return
        if not self._lead() and not dispatcher.sender.n_open():
            self._is_idle = True
            if not dispatcher.sender.n_open() and not dispatcher.is_shut:
                self._sleep(None)
            self._is_idle = False
        dispatcher.crew.look_after()

    def _lead(self) -> bool:
        """Receive results for a slice of time; whether there were any."""
        dispatcher = self._dispatcher
        has_received = False
        me = Leader()
        dispatcher.leader = weakref.ref(me)
        try:
            end = time.monotonic() + _SLICE_S
            while not dispatcher.is_over():
                if dispatcher.receive():
                    has_received = True
                    if dispatcher.is_awaited:
                        # The next time, that thread leads.
                        dispatcher.is_awaited = False
                        self._n_led -= 1
                        return True
                    continue
                results = dispatcher.rings.results
                if results.spin():
                    continue
                seen = results.announce(R_PUTS)
                if dispatcher.receive():
                    has_received = True
                    continue
                left = end - time.monotonic()
                if left <= 0 or dispatcher.is_over():
                    break
                results.sleep(R_PUTS, seen, int(left * 1000) + 1)
        finally:
            del me
        return has_received

    def _sleep(self, seconds: float | None) -> None:
        """Sleep until `wake`, or a worker ends."""
        pipe = self._pipe
        if pipe is None:
            return
        ready: list[Any] = wait([pipe[0], *self._dispatcher.crew.sentinels()], seconds)
        if pipe[0] in ready:
            try:
                os.read(pipe[0], 4096)
            except BlockingIOError:
                return


def _end_all() -> None:
    """At the interpreter's exit: let all pools do their calls, and end."""
    global _is_exiting
    _is_exiting = True
    living = [each for each in _LIVING if each.pid == os.getpid()]
    for dispatcher in living:
        dispatcher.shut(False)
    for dispatcher in living:
        dispatcher.keeper.join()


# Before threads are joined, and before `multiprocessing` joins processes. There is no public way.
threading._register_atexit(_end_all)  # type: ignore[attr-defined]
