"""Sender: packs calls, and puts them into the pool's ring just before workers take them."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

from pagebuddy.errors import OutOfPages, OutOfTickets
from pagebuddy.messages.parcel import packed_anyhow, packed_by_value
from pagebuddy.pool.frames import ARGS, ARGS_AND_NAMES, WHOLE_CALL, Batch, frame_of

if TYPE_CHECKING:
    from pagebuddy.messages.channel import Channel
    from pagebuddy.pool.calls import Call
    from pagebuddy.pool.rings import Rings

# Calls of less than this are sent together, until they take so long.
_BATCH_NS = 200_000
_MOST_IN_BATCH = 256
# How many calls of a function are measured before several are sent together.
_MEASURED = 8


class Sender:
    """The calls of a pool that were not answered, and the end of the ring at which they are put.

    These hold:
    - A call is in `waiting`, `returned` or `given_back`, or in `sent` by its number, from its submission
      until its result is here; while it is packed, it is in two of them.
    - The ring has at most as many messages as there are workers. Each worker has another in hand.
    """

    def __init__(self, arena: Any, rings: Rings, n_workers: int) -> None:
        self.waiting: deque[Call] = deque()
        # Those that were sent, and that no worker has started.
        self.returned: deque[Call] = deque()
        # Those that will be there when the next message is sent. A thread that is still sending a call
        # will remove it from where it was.
        self.given_back: deque[Call] = deque()
        self.sent: dict[int, Call] = {}
        self._failed: deque[tuple[Call, BaseException]] = deque()
        self._arena = arena
        self._rings = rings
        self._calls: Channel | None = rings.calls
        self._n_workers = n_workers
        self._lock = Lock()
        self._next = 1
        # Uncompiled, no word can be changed by several processes, so nothing could be taken back.
        self.has_batches = type(rings.a).__module__ == "pagebuddy._compiled"
        # The last message was refused: the next has a single call.
        self._alone = False

    def n_open(self) -> int:
        """How many calls were not answered."""
        return self.n_waiting() + len(self.sent) + len(self._failed)

    def n_waiting(self) -> int:
        """How many calls are to be sent."""
        return len(self.waiting) + len(self.returned) + len(self.given_back)

    def has_room(self) -> bool:
        """Whether another message may be put."""
        calls = self._calls
        return calls is not None and calls.n_pending() < self._n_workers

    def feed(self) -> None:
        """Send what there is room for, unless another thread does."""
        while (self.waiting or self.returned or self.given_back) and self.has_room():
            if self._lock.locked():
                # That thread looks again when it has sent its message. Or this one pickles an argument.
                return
            with self._lock:
                is_sent = self._send()
            self._end_failed()
            if not is_sent:
                return

    def _end_failed(self) -> None:
        """End the calls that could not be sent. Their callbacks may send others."""
        for each in list(self._failed):
            each[0].fail(each[1])
            with suppress(ValueError):
                self._failed.remove(each)

    def give_back(self, numbers: Any) -> None:
        """Send calls again that no worker has started."""
        for number in numbers:
            call = self.sent.get(number)
            if call is not None and not call.arrived:
                call.batch = None
                self.given_back.append(call)
                del self.sent[number]

    def _return_given_back(self) -> None:
        """Let calls that were given back be the next. The caller has the lock, so none is being sent."""
        for call in list(self.given_back):
            # After an exception it may be here already.
            if not any(each is call for each in self.returned):
                self.returned.append(call)
            self._take(self.given_back, call)

    def close(self) -> None:
        """Send nothing any more."""
        with self._lock:
            self._calls = None
            self._rings = None  # type: ignore[assignment]

    def _send(self) -> bool:
        """Send one message, or fail a call; False if it must wait."""
        if self.given_back:
            self._return_given_back()
        source = self.returned or self.waiting
        if not source or self._calls is None:
            return False
        wanted = self._size(source)
        batch = Batch()
        calls: list[Call] = []
        forms: list[int] = []
        counts: list[int] = []
        bodies: list[bytes] = []
        foreign: list[Any] = []
        size = 0
        target = None
        while len(calls) < wanted and len(calls) < len(source):
            try:
                call = source[len(calls)]
            except IndexError:
                # The pool was shut down meanwhile, or broke.
                break
            before = call.batch
            if before is not None and before.sent:
                # It was sent, and then an exception came.
                self._take(source, call)
                continue
            if target is None:
                target = call.target
            elif call.target is not target:
                break
            if not call.claim():
                # It was cancelled.
                if calls:
                    break
                self._take(source, call)
                return True
            try:
                form, body, data = self._packed(call)
            except Exception as error:
                if calls:
                    # The next message begins with it.
                    break
                if self._may_wait_for_room(error):
                    return False
                self._failed.append((call, error.with_traceback(None)))
                self._take(source, call)
                return True
            size += len(data)
            if calls and size > self._rings.most:
                break
            calls.append(call)
            forms.append(form)
            counts.append(len(body.pages))
            bodies.append(data)
            batch.pages += body.pages
            batch.shown += body.shown
            foreign.append(body)
        if not calls:
            return False
        return self._put(source, calls, batch, forms, counts, bodies, foreign)

    def _put(
        self,
        source: deque[Call],
        calls: list[Call],
        batch: Batch,
        forms: list[int],
        counts: list[int],
        bodies: list[bytes],
        foreign: list[Any],
    ) -> bool:
        first = self._next
        self._next = number = first + len(calls)
        try:
            for i, call in enumerate(calls):
                call.batch = batch
                call.number = first + i
                self.sent[first + i] = call
            frame = frame_of(first, calls[0].target.data or b"", forms, counts, bodies)
            self._rings.calls.put(frame, batch)
        except Exception as error:
            self._forget(first, number)
            if self._may_wait_for_room(error):
                return False
            if len(calls) == 1:
                self._failed.append((calls[0], error.with_traceback(None)))
                self._take(source, calls[0])
            self._alone = len(calls) > 1
            return True
        except BaseException:
            if not batch.sent:
                self._forget(first, number)
            raise
        finally:
            # An exception refers to it.
            batch.pages.clear()
        if not batch.sent:
            # The ring is full.
            self._forget(first, number)
            return False
        for body in foreign:
            body.handed()
        for call in calls:
            self._take(source, call)
        return True

    def _forget(self, first: int, end: int) -> None:
        for number in range(first, end):
            call = self.sent.get(number)
            if call is not None:
                call.batch = None
                del self.sent[number]

    @staticmethod
    def _take(source: deque[Call], call: Call) -> None:
        """Remove the first call, if it is this one."""
        if source and source[0] is call:
            source.popleft()

    def _size(self, source: deque[Call]) -> int:
        """How many calls the next message should have."""
        n = len(source)
        if n < 4 * self._n_workers or self._alone or not self.has_batches:
            self._alone = False
            return 1
        target = source[0].target
        if target.n_seen < _MEASURED or 2 * target.ns > _BATCH_NS:
            return 1
        # All workers get some, and the last ones end at about the same time.
        return max(
            1, min(_BATCH_NS // (target.ns or 1), n // (2 * self._n_workers), _MOST_IN_BATCH)
        )

    def _packed(self, call: Call) -> tuple[int, Any, bytes]:
        """Return the form, the body and the bytes of a call."""
        target = call.target
        thing: Any
        if target.data is None:
            form, thing = WHOLE_CALL, (target.fn, call.args, call.kwargs)
        elif call.kwargs:
            form, thing = ARGS_AND_NAMES, (call.args, call.kwargs)
        else:
            form, thing = ARGS, call.args
        pack = packed_by_value if target.by_value else packed_anyhow
        return form, *pack(self._arena, thing, self._rings.most)

    def _may_wait_for_room(self, error: Exception) -> bool:
        """Whether calls that were sent may free what this one needs."""
        if isinstance(error, OutOfPages):
            return bool(self.sent) and error.requested <= self._arena.n_pages
        return isinstance(error, OutOfTickets) and bool(self.sent)
