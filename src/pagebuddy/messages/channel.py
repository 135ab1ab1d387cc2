"""Channel: a ring as Python code uses it. No step of a message is lost when an exception comes between.

A method makes or ends whole steps of the protocol. A `Message` is responsible for its cell in between:
if it is destroyed, the message is given up, or given back to the ring.
"""

from typing import Any

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.buffers.bodies.packing import packed_items, packed_scalar
    from pagebuddy.core.words import bytes_of, u64, words_of
    from pagebuddy.messages.cells import Message
    from pagebuddy.messages.receiving import (
        bytes_in_region,
        data_of_message,
        opened_message,
        pages_of_message,
        read_of,
        receive_ready,
        take_next,
        unpacked_of,
    )
    from pagebuddy.messages.ring import Ring, code_of
    from pagebuddy.messages.sending import put_body, put_plain
    from pagebuddy.messages.transfers import (
        change,
        drop_ring,
        finish_received,
        give_room,
        looked_up,
        new_message,
        request_of,
        settle_message,
    )
    from pagebuddy.messages.waiting import RingFutexes, wake_ring
    from pagebuddy.sharing.request import Request
    from pagebuddy.sharing.system.atomic import peek
    from pagebuddy.sharing.system.clock import clock_ms
    from pagebuddy.sharing.words import (
        DONE,
        EVERYBODY,
        IN_HAND,
        LEAST_UNYIELDING,
        OP_END_REFS,
        OP_SEND,
        R_CLOSED,
        R_DONES,
        R_GETS,
        R_HEAD,
        R_PENDING,
        R_READY,
        R_TAIL,
        READING,
        RING_BURY,
        RING_CLOSE,
        RING_COUNT,
        RING_EVICT,
        RING_FIND_DEAD,
        RING_LEAVE,
        RING_MISSED,
        RING_PASS,
        RING_SUBSCRIBE,
        RING_TASK_DONE,
        ROW_NEXT,
        ROW_WORDS,
        STALE,
        TIED,
    )


@cython.no_gc
@cython.final
@cython.cclass
class Channel(RingFutexes):
    """A ring of an arena, for queues and topics. Its methods may be called by several threads."""

    if cython.compiled:

        def __dealloc__(self) -> None:
            drop_ring(self.ring)

    else:

        def __del__(self) -> None:
            drop_ring(self.ring)

    def __init__(self, attachment: Attachment, pages: Any, view: memoryview, node: int) -> None:
        """Use the ring in a buffer whose header was checked. `pages` keep it, `view` has its words."""
        r: Ring = Ring.__new__(Ring)
        r.attachment = attachment
        r.pages = pages
        r.words_owner = view
        r.words = words_of(view)
        r.node = node
        r.late = []
        r.spare = None
        self.ring = r

    def shape(
        self, kind: int, limit: int, n_rows: int, n_cells: int, n_bytes: int, spin_ns: int
    ) -> None:
        """Tell what the header says: see `layout`."""
        from pagebuddy.messages.layout import cells_at, region_at, rows_at

        r: Ring = self.ring
        r.kind, r.limit, r.n_rows, r.n_cells, r.n_bytes = kind, limit, n_rows, n_cells, n_bytes
        r.rows_at = rows_at()
        r.cells_at = cells_at(n_rows)
        r.region_at = region_at(n_rows, n_cells)
        r.region_owner = r.words_owner.cast("B")[r.region_at * 8 :]
        r.region = bytes_of(r.region_owner)
        r.spin_ns = spin_ns
        r.n_short_sleeps = 0
        r.is_trial = r.has_switched = False
        r.n_unyielding, r.n_unyielding_next = 0, LEAST_UNYIELDING

    def buffer(self) -> Any:
        """The ring's buffer."""
        return self.ring.pages

    def attachment(self) -> Attachment:
        """The attachment to the ring's arena."""
        return self.ring.attachment

    def handle(self) -> tuple[int, int]:
        """Make a ticket for the ring, which can be claimed once, until a minute after this process.

        It is no ring ticket: in a message of the ring itself, these would protect each other for ever.
        """
        r: Ring = self.ring
        request: Request = Request(r.node, 0, len(r.pages), life_ms=TIED)
        request.now_ms = clock_ms()
        r.attachment.perform(request, OP_SEND)
        return request.ticket

    def __reduce__(self) -> Any:
        raise TypeError("a channel cannot be copied or pickled; pickle its queue or topic")

    # -- put

    def put(self, data: bytes, body: Any) -> u64:
        """Put a message with the pages of a body: DONE, FULL, NO_TICKETS, or CLOSED.

        Raises what making tickets raises; then nothing was put.
        """
        return put_body(self.ring, data, body)

    def send(self, arena: Any, thing: Any, pack: Any, most: int) -> Any:
        """Serialize an object and put it: None if that was done, else its body, bytes, and the answer.

        `pack` is called for what is not short and plain: see `parcel.packed_message`.
        """
        r: Ring = self.ring
        data = packed_scalar(thing)
        # If there is no room, it is packed again, because somebody has to keep it.
        if data is not None and len(data) <= most and put_plain(r, data) == DONE:
            return None
        body = packed_items(r.attachment, thing, False)
        if body is None or len(body.data) > most:
            body, data = pack(arena, thing, most, False, body)
        else:
            data = body.data
        answer: u64 = put_body(r, data, body)
        return None if answer == DONE else (body, data, answer)

    def evict(self) -> bool:
        """End a topic's oldest message, if it is not needed any more; return whether that was done."""
        r: Ring = self.ring
        m: Message = new_message(r)
        if change(r, m, RING_EVICT) != DONE:
            return False
        self.finish(m)
        return True

    # -- take

    def take(self) -> Any:
        """Take the next message; None if there is none, False if the ring is closed and empty."""
        return take_next(self.ring)

    def receive(self, unpack: Any) -> Any:
        """Take and open the next message; None if none is ready."""
        message = take_next(self.ring)
        return opened_message(message, unpack) if message else None

    def opened(self, message: Any, unpack: Any) -> Any:
        """Return a message whose `received` is its object now.

        End it if unpacking fails, and give it back if that is interrupted. `unpack` is called as
        `parcel.unpacked_message`.
        """
        return opened_message(message, unpack)

    def data_of(self, message: Any) -> bytes:
        """Return the bytes of a message. Raises `CorruptMetadata`."""
        data: bytes = data_of_message(self.ring, message)
        return data

    def pages_of(self, message: Any) -> list[Any]:
        """Hold the buffers of a message: return what keeps them. Raises `CorruptMetadata`."""
        pages: list[Any] = pages_of_message(self.ring, message)
        return pages

    def receive_more(self, messages: Any, most: int, unpack: Any) -> None:
        """Take and open messages that are ready, until the list has so many."""
        receive_ready(self.ring, messages, most, unpack)

    def join(self, first: Any, others: Any) -> Any:
        """Return the first of several opened messages, whose `all_received` are all objects now."""
        m: Message = first
        m.others = others
        return m

    def finish(self, message: Any) -> None:
        """End a message that was received."""
        finish_received(message)

    def settle(self, message: Any) -> None:
        """Give a message back that was not received."""
        m: Message = message
        if m.owned:
            settle_message(m)

    # -- the ring

    def end_what_the_dead_own(self, in_hand: Any = None) -> None:
        """End messages that dead processes were writing, or had in hand.

        The bytes of those that they had in hand are added to the list `in_hand`, if there is one.
        """
        r: Ring = self.ring
        m: Message = new_message(r)
        give_room(m, 64)
        ended: cython.bint = False
        while change(r, m, RING_FIND_DEAD) == DONE:
            if 2 * m.n_refs > m.n_room:
                give_room(m, m.n_refs)
                continue
            if in_hand is not None and code_of(m.state) == IN_HAND:
                in_hand.append(bytes_in_region(r, m.bytes_at, m.n_bytes))
            if m.n_refs:
                r.attachment.perform(request_of(r, m, m.refs, 0), OP_END_REFS)
            change(r, m, RING_BURY)
            ended = True
        if ended:
            self.wake_all()

    def end(self) -> None:
        """Mark the ring as unlinked: nothing can be put any more."""
        change(self.ring, new_message(self.ring), RING_CLOSE)
        self.wake_all()

    def is_ended(self) -> bool:
        """Whether the ring was unlinked."""
        return peek(self.ring.words, R_CLOSED) != 0

    def leave(self) -> None:
        """Note that this process puts nothing more."""
        change(self.ring, new_message(self.ring), RING_LEAVE)
        self.wake_all()

    def task_done(self) -> bool:
        """Count one message as done; False if this process has none that is not."""
        done = change(self.ring, new_message(self.ring), RING_TASK_DONE) == DONE
        if done:
            wake_ring(self.ring, R_DONES, EVERYBODY)
        return done

    def counts(self) -> tuple[int, int, int]:
        """How many producers are alive, how many tasks are open, and how many messages were put ever."""
        m: Message = new_message(self.ring)
        change(self.ring, m, RING_COUNT)
        return m.n_refs, m.n_bytes, m.number

    def n_ready(self) -> int:
        """How many messages can be taken at this moment."""
        return looked_up(self.ring, R_READY)

    def n_pending(self) -> int:
        """How many messages can be taken, or will be."""
        return looked_up(self.ring, R_PENDING)

    def n_cells_used(self) -> int:
        """How many messages have a cell: those that can be taken, are written, or are in hand."""
        return peek(self.ring.words, R_HEAD) - peek(self.ring.words, R_TAIL)

    def range_of_numbers(self) -> tuple[int, int]:
        """The numbers of the oldest message in the ring, and of the next that is put."""
        return looked_up(self.ring, R_TAIL), looked_up(self.ring, R_HEAD)

    # -- subscriptions

    def subscribe(self, n_replayed: int) -> Any:
        """Return the place of a new subscription, which ends with it; None if there is none left."""
        m: Message = new_message(self.ring)
        m.n_bytes = n_replayed
        if change(self.ring, m, RING_SUBSCRIBE) != DONE:
            return None
        # The ring must not end before its place does.
        m.source_owner = self
        give_room(m, 8)
        m.owned = READING
        return m

    def unsubscribe(self, place: Any) -> None:
        """End a subscription, and wake those of this process who wait for its messages."""
        self.settle(place)
        self.wake_all()

    def missed(self, place: Any) -> Any:
        """How many messages a subscription missed; None if it is another process's."""
        mine: Message = place
        m: Message = new_message(self.ring)
        m.row = mine.row
        return None if change(self.ring, m, RING_MISSED) == STALE else m.n_bytes

    def next_number(self, place: Any) -> int:
        """The number of the next message of a subscription."""
        m: Message = place
        r: Ring = self.ring
        return peek(r.words, r.rows_at + m.row * ROW_WORDS + ROW_NEXT)

    def read_next(self, subscription: Any, unpack: Any, refuse: Any) -> Any:
        """Return the object of a subscription's next message, and go on behind it.

        `unpack` is called as `parcel.unpacked_message`; `refuse`, if there is no message, with what
        `read_of` answers: it raises. Compiled, no exception can come between the passing and the return.
        """
        with subscription._reading:
            if subscription._is_read:
                # In a signal handler, or in what unpickles a message.
                raise RuntimeError("this thread already reads this subscription; let it finish")
            place: Message = subscription._place
            found = read_of(self.ring, place) if place is not None and place.owned else True
            if type(found) is not Message:
                return refuse(found)
            m: Message = found
            number: u64 = m.number
            subscription._is_read = True
            try:
                thing = unpacked_of(m, unpack, subscription._readonly)
            except Exception:
                # It would fail again: that is how this message is delivered.
                self.passed(place, number)
                raise
            finally:
                subscription._is_read = False
            self.passed(place, number)
            return thing

    def passed(self, place: Any, number: u64) -> None:
        """Let a subscription go on behind a message that it received."""
        mine: Message = place
        if mine.owned == 0:
            # It was closed meanwhile.
            return
        m: Message = new_message(self.ring)
        m.row = mine.row
        m.number = number
        change(self.ring, m, RING_PASS)
        wake_ring(self.ring, R_GETS, EVERYBODY)
