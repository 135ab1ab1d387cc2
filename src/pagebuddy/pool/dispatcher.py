"""Dispatcher: a pool without its executor. It sends calls, receives results, and ends calls with them.

Any thread may do these steps. As a rule one does, the *leader*: a thread that waits for a result, or
else the keeper, which is the pool's own thread.
"""

from __future__ import annotations

import os
import time
import weakref
from collections import deque
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from threading import RLock
from typing import TYPE_CHECKING, Any

from pagebuddy.messages.parcel import unpacked_message
from pagebuddy.pool.calls import Target
from pagebuddy.pool.crew import Crew
from pagebuddy.pool.frames import FAILURE, NOT_BEGUN, READY, RESULT
from pagebuddy.pool.keeper import Keeper, Leader
from pagebuddy.pool.rings import Figures, Rings
from pagebuddy.pool.sender import Sender
from pagebuddy.sharing.words import R_PUTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pagebuddy.pool.calls import Call
    from pagebuddy.pool.crew import Plan

_MS = 100
_MOST_TARGETS = 256
# For so long, a leader receives results that others wait for.
_REST_NS = 50_000


class Dispatcher:
    """The calls, the rings and the workers of a pool. It refers to no executor.

    These hold:
    - Each open call ends: with its result, or when its worker has died, or when the pool breaks.
    - The result of a call has `arrived` before another thread can find that its worker died.
    """

    def __init__(self, arena: Any, plan: Plan) -> None:
        self.arena = arena
        self.n_done = 0
        # Why the pool takes no more calls: it broke, or was shut down.
        self.broken: BaseException | None = None
        self.is_shut = False
        self.is_closing = self.is_closed = False
        # The thread that waits for results, and how often one began that is not the keeper.
        self.leader: weakref.ref[Leader] | None = None
        self.n_led = 0
        # A thread waits while the keeper leads.
        self.is_awaited = False
        self.pid = os.getpid()
        self._lock = RLock()
        self._targets: dict[int, Target] = {}
        # Calls whose end was interrupted by an exception.
        self._landed: deque[tuple[Call, Any, BaseException | None]] = deque()
        self.rings: Any = Rings.make(plan.arena._open, plan.n_workers)
        self.sender = Sender(plan.arena, self.rings, plan.n_workers)
        self.crew = Crew(self, plan)
        self.keeper = Keeper(self)

    # -- calls

    def target(self, fn: Callable[..., Any]) -> Target:
        """Return what is known about a function."""
        found = self._targets.get(id(fn))
        if found is None or found.fn is not fn:
            found = Target(fn, self.crew.knows_main())
            if found.data is not None:
                if len(self._targets) >= _MOST_TARGETS:
                    self._targets.clear()
                # It keeps the function, so that no other gets its id.
                self._targets[id(fn)] = found
        return found

    def add(self, calls: list[Call]) -> None:
        """Take calls. Raises RuntimeError if the pool takes no more; `BrokenProcessPool` if it broke."""
        if os.getpid() != self.pid:
            raise RuntimeError(
                "this process was forked from the one that made the pool, and cannot use it; make "
                "another pool"
            )
        with self._lock:
            if self.broken is not None:
                raise BrokenProcessPool(str(self.broken)) from self.broken
            if self.is_shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self.crew.start_some(self.sender.n_open() + len(calls))
            self.keeper.start()
            self.sender.waiting.extend(calls)
        self.sender.feed()
        self.keeper.wake_if_idle()

    def is_over(self) -> bool:
        """Whether the pool has nothing more to do."""
        return self.is_shut and not self.sender.n_open()

    # -- results

    def lead(self, is_done: Callable[[], bool], timeout: float | None) -> float | None:
        """Receive results until a call is done, if no other thread does; return the rest of the time."""
        end = None if timeout is None else time.monotonic() + timeout
        if os.getpid() == self.pid:
            if not self.is_led():
                # Two may begin at the same time: that costs time, and nothing else.
                me = Leader()
                self.leader = weakref.ref(me)
                try:
                    self.n_led += 1
                    self._receive_until(is_done, end)
                    # Whoever waits for the next result need not begin anew.
                    rest = time.perf_counter_ns() + _REST_NS
                    while self.receive() and time.perf_counter_ns() < rest:
                        pass
                finally:
                    del me
                    self.keeper.wake_if_resting()
            else:
                self.is_awaited = True
        return None if end is None else end - time.monotonic()

    def is_led(self) -> bool:
        """Whether a thread waits for results."""
        leader = self.leader
        return leader is not None and leader() is not None

    def _receive_until(self, is_done: Callable[[], bool], end: float | None) -> None:
        look = time.monotonic() + 0.1
        while not is_done():
            if self.receive():
                continue
            rings = self.rings
            if rings is None:
                return
            results = rings.results
            if results.spin():
                continue
            seen = results.announce(R_PUTS)
            if self.receive() or is_done():
                continue
            now = time.monotonic()
            if end is not None and now >= end:
                return
            if now >= look:
                self.crew.look_after()
                look = time.monotonic() + 0.1
            left = _MS if end is None else min(int((end - now) * 1000) + 1, _MS)
            results.sleep(R_PUTS, seen, left)

    def receive(self, later: bool = False) -> bool:
        """Receive one result, if there is one, and end its call; False if there is none.

        If `later`, the call ends with the next `end_landed`: callbacks may wait for other calls.
        """
        if self._landed and not later:
            self.end_landed()
        rings = self.rings
        if rings is None:
            return False
        results = rings.results
        message: Any = None
        call: Call | None = None
        value: Any = None
        error: BaseException | None = None
        is_opened = False
        try:
            # A worker's death is found under this lock too.
            with self._lock:
                message = results.take()
                if not message:
                    return False
                try:
                    data = results.data_of(message)
                    number, ns, _, kind = RESULT.unpack_from(data)
                    if kind <= FAILURE:
                        call = self.sender.sent.get(number)
                        if call is not None:
                            call.arrived = True
                except BaseException:
                    # Whoever has the lock next finds it in the ring.
                    results.settle(message)
                    raise
            if call is not None:
                pages = results.pages_of(message)
                try:
                    value = unpacked_message(rings.a, data[RESULT.size :], pages)
                except Exception as failure:
                    error = failure.with_traceback(None)
                except BaseException as failure:
                    if not self._fails_again(failure, message, data):
                        raise
                    error = failure.with_traceback(None)
                if kind == FAILURE and error is None:
                    error, value = value, None
                call.target.note(ns)
                is_opened = True
            elif kind == READY:
                self.crew.is_ready(number)
            elif kind == NOT_BEGUN:
                self.crew.has_not_begun(number)
            results.finish(message)
            if call is not None:
                if later:
                    self._landed.append((call, value, error))
                else:
                    self._end(call, value, error)
        except BaseException:
            # A traceback would keep it.
            if message:
                results.settle(message)
            if is_opened and call is not None:
                self._landed.append((call, value, error))
            raise
        finally:
            value = error = None
        if not later:
            self.sender.feed()
        return True

    def _fails_again(self, error: BaseException, message: Any, data: bytes) -> bool:
        """Whether unpickling a result raises this again, so that it was not a signal's handler."""
        if self.keeper.is_current():
            return True
        if isinstance(error, KeyboardInterrupt):
            return False
        try:
            unpacked_message(
                self.rings.a, data[RESULT.size :], self.rings.results.pages_of(message)
            )
        except BaseException as another:
            return type(another) is type(error)
        return False

    def _end(self, call: Call, value: Any, error: BaseException | None) -> None:
        if self.sender.sent.get(call.number) is call:
            del self.sender.sent[call.number]
            self.n_done += 1
        call.args, call.kwargs = (), {}
        if error is None:
            call.succeed(value)
        else:
            call.fail(error)

    def fail(self, call: Call, error: BaseException) -> None:
        """End a call with an exception, whatever comes between."""
        try:
            self._end(call, None, error)
        except BaseException:
            self._landed.append((call, None, error))
            raise

    def land(self, call: Call, error: BaseException) -> None:
        """End a call with an exception, by the next `end_landed`."""
        # A call that has arrived and has not landed would never end.
        self._landed.append((call, None, error))
        call.arrived = True

    def end_landed(self) -> None:
        """End the calls whose results are here."""
        for each in list(self._landed):
            self._end(*each)
            with suppress(ValueError):
                self._landed.remove(each)

    # -- the end

    def locked(self) -> RLock:
        """The lock under which results are taken, and under which deaths are found."""
        return self._lock

    def drain(self, later: bool = False) -> None:
        """Receive all results that are here; see `receive`."""
        while self.receive(later):
            pass

    def break_apart(self, cause: BaseException) -> None:
        """Fail all open calls, and end the workers."""
        with self._lock:
            if self.broken is None:
                self.broken = cause
            self.is_shut = True
        self.drain()
        sender = self.sender
        calls = [*sender.sent.values(), *sender.given_back, *sender.returned, *sender.waiting]
        sender.given_back.clear()
        sender.returned.clear()
        sender.waiting.clear()
        for call in calls:
            # A future that was cancelled is told so.
            if call.claim() and not call.is_done():
                error = BrokenProcessPool(str(self.broken))
                error.__cause__ = self.broken
                self.fail(call, error)
                del error
        sender.sent.clear()
        self.keeper.wake()

    def shut(self, cancel: bool) -> None:
        """Accept no more calls, and end the workers when all calls are done."""
        with self._lock:
            self.is_shut = True
        if cancel:
            for call in list(self.sender.waiting):
                call.cancel()
            self._drop_cancelled()
        self.keeper.wake()

    def _drop_cancelled(self) -> None:
        # Those that are waiting behind running calls are dropped now, so that nobody waits for them.
        kept = [call for call in self._emptied(self.sender.waiting) if call.claim()]
        self.sender.returned.extend(kept)

    @staticmethod
    def _emptied(calls: deque[Call]) -> list[Call]:
        found = []
        with suppress(IndexError):
            while True:
                found.append(calls.popleft())
        return found

    def join(self) -> None:
        """Wait until the pool, which was shut down, has ended."""
        if self.keeper.is_started():
            self.keeper.join()
        else:
            self.close()

    def kill(self, method: str, terminate: bool) -> None:
        """End the workers at once, and with them all open calls."""
        with self._lock:
            if self.broken is None and not self.is_closed:
                self.broken = RuntimeError(f"{method}() ended the workers of this pool")
            self.is_shut = True
        self.crew.kill(terminate)
        if not self.is_closed and self.broken is not None:
            self.break_apart(self.broken)

    def figures(self) -> Figures:
        """How many workers and calls there are."""
        sender = self.sender
        return Figures(self.pid, len(self.crew), sender.n_waiting(), len(sender.sent), self.n_done)

    def note_figures(self) -> None:
        """Let other processes see the figures."""
        rings = self.rings
        if rings is not None:
            rings.note(self.figures())

    def __repr__(self) -> str:
        _, workers, waiting, sent, done = self.figures()
        state = ", broken" if self.broken else ", shut down" if self.is_shut else ""
        return f"{workers} workers; calls: {waiting} waiting, {sent} sent, {done} done{state}"

    def close(self) -> None:
        """End the workers, and release everything: the keeper's last step."""
        self.is_closing = True
        rings = self.rings
        if rings is not None:
            rings.calls.end()
        self.crew.end(self.broken is not None)
        self.drain()
        self.sender.close()
        self.rings = None
        if rings is not None:
            rings.retire()
        self._targets.clear()
        self.is_closed = True
