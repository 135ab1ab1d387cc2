"""Channel: a ring as Python code uses it. No step of a message is lost when an exception comes between.

A method makes or ends whole steps of the protocol. A `Message` is responsible for its cell in between:
if it is destroyed, the message is given up, or given back to the ring.
"""

from typing import Any
from zlib import crc32

from pagebuddy.core import stand_in as cython
from pagebuddy.errors import OutOfTickets, StaleHandle

if not cython.compiled:
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.buffers.pages import filled, new_pages, node_of_pages
    from pagebuddy.core.words import bytes_of, u64, words_of
    from pagebuddy.messages.cells import Message
    from pagebuddy.messages.ring import Ring, cell_at, code_of
    from pagebuddy.messages.transfers import (
        change,
        damaged_ring,
        drop_ring,
        finish_received,
        give_room,
        looked_up,
        new_message,
        request_for,
        request_of,
        request_of_refs,
        settle_message,
    )
    from pagebuddy.messages.waiting import RingFutexes, wake_ring
    from pagebuddy.sharing.request import Request
    from pagebuddy.sharing.system.atomic import peek
    from pagebuddy.sharing.system.clock import clock_ms
    from pagebuddy.sharing.words import (
        C_NUMBER,
        C_STATE,
        CLOSED,
        DONE,
        EVERYBODY,
        IN_HAND,
        NO_TICKETS,
        NOTHING_READY,
        OP_END_REFS,
        OP_HOLD_REFS,
        OP_REAP,
        OP_SEND,
        OP_SEND_REFS,
        QUEUE,
        R_CLOSED,
        R_DONES,
        R_GETS,
        R_HEAD,
        R_PENDING,
        R_PUTS,
        R_READY,
        R_TAIL,
        READING,
        REF_ROW,
        RING_BURY,
        RING_CLOSE,
        RING_COMMIT,
        RING_COUNT,
        RING_EVICT,
        RING_FIND_DEAD,
        RING_LEAVE,
        RING_MISSED,
        RING_PASS,
        RING_PUT,
        RING_READ,
        RING_RESERVE,
        RING_SUBSCRIBE,
        RING_TAKE,
        RING_TASK_DONE,
        ROW_NEXT,
        ROW_WORDS,
        STALE,
        TIED,
    )

    def start_of_bytes(body: bytes) -> memoryview:
        """Return the bytes for `Message.source`."""
        return memoryview(body)

    def bytes_in_region(r: Ring, at: int, n: int) -> bytes:
        """Return a copy of bytes of the region."""
        return bytes(r.region[at : at + n])


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
        pages, shown = body.pages, body.shown
        r: Ring = self.ring
        a: Attachment = r.attachment
        m: Message = new_message(r)
        m.source_owner = data
        m.source = start_of_bytes(data)
        m.n_bytes = len(data)
        m.n_refs = len(pages)
        m.crc = crc32(data)
        if m.n_bytes + 16 * m.n_refs > r.n_bytes:
            raise ValueError(
                f"the message has {m.n_refs} buffers, and so {m.n_bytes + 16 * m.n_refs} bytes in the "
                f"queue, which has room for {r.n_bytes}; send fewer, or make the queue with nbytes="
            )
        if m.n_refs == 0:
            answer: u64 = change(r, m, RING_PUT)
        else:
            request: Request = request_for(r, m.n_refs)
            i: u64 = 0
            for held, n in zip(pages, shown, strict=True):
                request.rows[i] = node_of_pages(a, held)
                request.rows[i + 1] = n
                i += REF_ROW
            answer = change(r, m, RING_RESERVE)
            if answer == DONE:
                try:
                    request.refs_at = m.refs_at
                    try:
                        a.perform(request, OP_SEND_REFS)
                    except OutOfTickets:
                        a.perform(Request(), OP_REAP)
                        a.perform(request, OP_SEND_REFS)
                    answer = change(r, m, RING_COMMIT)
                    r.spare = request
                except BaseException as error:
                    # A traceback would keep it.
                    if m.owned:
                        settle_message(m)
                    if not isinstance(error, OutOfTickets) or peek(r.words, R_PENDING) == 0:
                        raise
                    # Messages that wait here have some.
                    answer = NO_TICKETS
        if answer == DONE:
            # No signal is handled in between.
            body.handed()
            wake_ring(r, R_PUTS, 1 if r.kind == QUEUE else EVERYBODY)
            if r.kind != QUEUE:
                # Another publisher may wait to evict it.
                wake_ring(r, R_GETS, EVERYBODY)
        return answer

    def send(self, arena: Any, thing: Any, pack: Any, most: int) -> Any:
        """Serialize an object and put it: None if that was done, else its body, bytes, and the answer.

        `pack` is called for what is not short and plain: see `parcel.packed_message`.
        """
        if not cython.compiled:
            from pagebuddy.buffers.bodies.packing import packed_items
        body = packed_items(self.ring.attachment, thing, False)
        if body is None or len(body.data) > most:
            body, data = pack(arena, thing, most, False, body)
        else:
            data = body.data
        answer: u64 = self.put(data, body)
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
        r: Ring = self.ring
        m: Message = new_message(r)
        answer: u64 = change(r, m, RING_TAKE)
        if answer == DONE:
            if r.words[R_READY]:
                # Whoever sleeps beside it would not be woken for that one.
                wake_ring(r, R_PUTS, 1)
            return m
        return False if answer == CLOSED else None

    def receive(self, unpack: Any) -> Any:
        """Take and open the next message; None if none is ready."""
        message = self.take()
        return self.opened(message, unpack) if message else None

    def opened(self, message: Any, unpack: Any) -> Any:
        """Return a message whose `received` is its object now.

        End it if unpacking fails, and give it back if that is interrupted. `unpack` is called as
        `parcel.unpacked_message`.
        """
        try:
            try:
                self.open(message, unpack)
            except Exception:
                # It would fail again: that is how this message is delivered.
                self.finish(message)
                raise
        except BaseException:
            # A traceback would keep it.
            self.settle(message)
            raise
        return message

    def open(self, message: Any, unpack: Any) -> None:
        """Unpack a message's object. Raises what that raises; the message is not settled then."""
        m: Message = message
        data = self.data_of(m)
        if m.n_refs == 0:
            m.thing = self.ring.attachment.unpacked(data, [])
        else:
            pages = self.pages_of(m)
            m.thing = unpack(self.ring.attachment, data, pages)

    def join(self, first: Any, others: Any) -> Any:
        """Return the first of several opened messages, whose `all_received` are all objects now."""
        m: Message = first
        m.others = others
        return m

    def data_of(self, message: Any) -> bytes:
        """Return the bytes of a message. Raises `CorruptMetadata`."""
        m: Message = message
        data = bytes_in_region(self.ring, m.bytes_at, m.n_bytes)
        if crc32(data) != m.crc:
            raise damaged_ring(f"message {m.number} has not the checksum that it was put with")
        return data

    def pages_of(self, message: Any) -> list[Any]:
        """Hold the buffers of a message: return what keeps them. Raises `CorruptMetadata`."""
        m: Message = message
        if m.n_refs == 0:
            return []
        try:
            return self.held(request_of_refs(self.ring, m))
        except StaleHandle:
            detail = f"message {m.number} names a ticket that is none of it"
            raise damaged_ring(detail) from None

    @cython.cfunc
    def held(self, request: Request) -> list[Any]:
        """Hold the buffers of references."""
        a: Attachment = self.ring.attachment
        pages: list[Any] = []
        try:
            a.perform(request, OP_HOLD_REFS)
        finally:
            i: u64 = 0
            while i < request.n_ended:
                node: u64 = request.rows[REF_ROW * i]
                n: u64 = request.rows[REF_ROW * i + 2]
                asked: u64 = request.rows[REF_ROW * i + 1]
                pages.append(filled(a, new_pages(a, n), node, n, asked))
                i += 1
        self.ring.spare = request
        return pages

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
        `read` answers: it raises. Compiled, no exception can come between the passing and the return.
        """
        with subscription._reading:
            if subscription._is_read:
                # In a signal handler, or in what unpickles a message.
                raise RuntimeError("this thread already reads this subscription; let it finish")
            place: Message = subscription._place
            found = self.read(place.row) if place is not None and place.owned else True
            if found.__class__ is not tuple:
                return refuse(found)
            number, data, pages = found
            subscription._is_read = True
            try:
                thing = unpack(self.ring.attachment, data, pages, subscription._readonly)
            except Exception:
                # It would fail again: that is how this message is delivered.
                self.passed(place, number)
                raise
            finally:
                subscription._is_read = False
            self.passed(place, number)
            return thing

    def read(self, row: u64) -> Any:
        """Return the next message of a subscription: its number, bytes and pages; then call `passed`.

        None if there is none, False if the topic was unlinked and read, True if the row is another's.
        """
        r: Ring = self.ring
        m: Message = new_message(r)
        m.row = row
        give_room(m, 8)
        while True:
            answer: u64 = change(r, m, RING_READ)
            if answer != DONE:
                return None if answer == NOTHING_READY else answer == STALE
            if 2 * m.n_refs > m.n_room:
                give_room(m, m.n_refs)
                continue
            data = bytes_in_region(r, m.bytes_at, m.n_bytes)
            try:
                pages = self.held(request_of(r, m, m.refs, 0)) if m.n_refs else []
                if crc32(data) == m.crc:
                    return m.number, data, pages
            except StaleHandle:
                pages = None
            at: u64 = cell_at(r, m.number)
            # Otherwise it was evicted meanwhile.
            if peek(r.words, at + C_STATE) == m.state and peek(r.words, at + C_NUMBER) == m.number:
                raise damaged_ring(
                    f"message {m.number} has not the "
                    f"{'buffers' if pages is None else 'checksum'} that it was put with"
                )

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
