"""Unclaimed: the tickets of a message, which end with this object unless they were sent or claimed.

An exception, such as KeyboardInterrupt, may be raised between any two steps of Python code. So tickets
are recorded here by the method that makes or receives them, and end when nothing refers to this object
any more. Compiled, no Python code runs in between.
"""

from contextlib import suppress
from typing import Any

from pagebuddy.core import stand_in as cython
from pagebuddy.errors import OutOfTickets
from pagebuddy.sharing.joining import backing, sending

if not cython.compiled:
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.buffers.bodies.body import Body
    from pagebuddy.buffers.bodies.frame import frame_in, framed, is_outside, tickets_in_frame
    from pagebuddy.buffers.bodies.packing import packed_items
    from pagebuddy.buffers.bodies.reading import (
        Reader,
        bytes_in,
        bytes_left,
        contradiction,
        jump,
    )
    from pagebuddy.buffers.bodies.unpacking import add_handles, unpacked_body
    from pagebuddy.buffers.bodies.words import FRAME_AT_BODY, FRAME_OUTSIDE
    from pagebuddy.buffers.bodies.writing import move
    from pagebuddy.buffers.buffer import Buffer, exported
    from pagebuddy.buffers.pages import asked_of, filled, new_pages, node_of_pages
    from pagebuddy.core.words import u64
    from pagebuddy.sharing.operations.dispatch import run_operation
    from pagebuddy.sharing.request import Request, blank_request
    from pagebuddy.sharing.system.child import known_pid
    from pagebuddy.sharing.system.clock import clock_ms
    from pagebuddy.sharing.words import (
        DONE,
        LOCK_PATIENCE_MS,
        LOCKED,
        OP_CLAIM,
        OP_REAP,
        OP_SEND,
        OP_WITHDRAW,
        OWN_LOCK,
    )


@cython.no_gc
@cython.freelist(8)
@cython.final
@cython.cclass
class Unclaimed:
    """The tickets that somebody is responsible for: the sender of a message, or its receiver.

    These hold:
    - A row is the attachment, index and serial of a ticket that was made; the index and serial of one
      that was received, or the handle of one of another arena; or None for a ticket that was claimed.
    - If the rows are None, the tickets are those of the message; if there is no ticket, they are ().
    """

    attachment: Attachment
    _message: Any
    _rows: Any
    _pid: u64  # a child of a fork is responsible for nothing
    group: u64  # of the tickets that this makes, or 0
    n_claims: u64  # how often each can be claimed, as in a `Request`
    life_ms: u64
    # What was claimed: objects that hold pages, and buffers of other arenas; the message that was
    # opened, and how long its body is.
    _pages: Any
    _others: Any
    _opened: Any
    n_bytes: u64

    def __init__(self) -> None:
        raise TypeError("a message is begun by an attachment: call arena._open.unclaimed()")

    @property
    def message(self) -> Any:
        """The bytes that were received or are to be sent."""
        return self._message

    @property
    def has_tickets(self) -> bool:
        """Whether this is responsible for tickets that it made."""
        return bool(self._rows)

    # -- the sender

    def pack(self, arena: Any, thing: Any, pickled: Any, most: Any = None) -> Any:
        """Make the message of an object: see `pack_message`. Return this."""
        pack_message(self, arena, thing, pickled, most, False)
        return self

    def send(self, buffer: Any) -> Any:
        """Make a ticket for a buffer of another arena.

        Returns the attachment to that arena, and the ticket's index and serial. Raises `OutOfTickets`,
        and ValueError for a released buffer.
        """
        held: Buffer = buffer
        a: Attachment = held._allocator
        # This reference keeps the hold.
        pages, n_bytes = held._taken()
        try:
            return made_ticket(self, a, node_of_pages(a, pages), n_bytes)
        except BaseException:
            # A traceback would keep it.
            buffer = held = pages = None  # type: ignore[assignment]
            raise

    def send_by(self, send: Any, flags: int) -> None:
        """Call a function that sends the message. If it succeeds, the receiver has the tickets."""
        send(self._message, flags)
        self._rows = ()

    def handed(self) -> Any:
        """Return the message to a caller who is responsible for its tickets from now on."""
        message = self._message
        self._message = None
        self._rows = ()
        return message

    # -- the receiver

    def receive_by(self, receive: Any, most: int, flags: int) -> None:
        """Call a function that receives a message, and be responsible for the tickets in it."""
        self._message = receive(most, flags)
        self._rows = None

    def take(self, message: Any) -> None:
        """Be responsible for the tickets in a message."""
        self._message = message
        self._rows = None

    def open(self) -> None:
        """Claim all tickets of the message that was received: see `open_message`."""
        open_message(self, False)

    def unpacked(self) -> Any:
        """Return the object of the message that was opened, until `close`, perhaps several times.

        Unpickling runs code that the bytes name. Raises what this code raises.
        """
        return object_in(self)

    def close(self) -> None:
        """Refer to no buffer that was claimed any more: from now on the object alone holds them."""
        # An exception may refer to the lists.
        if self._pages:
            self._pages.clear()
        if self._others:
            self._others.clear()
        self._opened = self._pages = self._others = None

    # -- the end

    def end(self) -> None:
        """Withdraw the tickets that are left. It never raises: a ticket may have ended before."""
        end_all(self)

    if cython.compiled:

        def __dealloc__(self) -> None:
            end_all(self)


@cython.cfunc
def new_unclaimed(a: Attachment, group: u64, n_claims: u64, life_ms: u64) -> Unclaimed:
    """Return an object for one message, and end the tickets that could not be ended before."""
    made: Unclaimed
    if cython.compiled:
        made = Unclaimed.__new__(Unclaimed)
    else:
        made = object.__new__(Unclaimed)
    made.attachment = a
    made.group = group
    made.n_claims = n_claims
    made.life_ms = life_ms if life_ms else a.default_life
    made._message = made._opened = made._pages = made._others = None
    made._rows = ()
    made.n_bytes = 0
    made._pid = known_pid()
    if a.late_tickets:
        late = a.late_tickets
        a.late_tickets = []
        for index, serial, is_one_claim in late:
            end_ticket_soon(a, index, serial, is_one_claim)
    return made


# -- the sender


@cython.cfunc
def pack_message(
    unclaimed: Unclaimed,
    arena: Any,
    thing: Any,
    pickled: Any,
    most: Any,
    readonly: cython.bint,
) -> cython.void:
    """Make the message of an object, and its tickets.

    `pickled` returns the body of an object that needs a pickler, given the arena, the object, the
    `Unclaimed` and `readonly`. A message of more than `most` bytes is put in the arena. Raises what
    pickling raises, `OutOfTickets`, `OutOfPages`, and ValueError for a released buffer. Then all tickets
    that were made are withdrawn.
    """
    body: Any = None
    try:
        body = packed_items(unclaimed.attachment, thing, readonly)
        if body is None:
            body = pickled(arena, thing, unclaimed, readonly)
        seal(unclaimed, body, most)
    except BaseException:
        # The exception refers to both.
        if body is not None:
            body.drop()
        end_all(unclaimed)
        raise


@cython.cfunc
def seal(unclaimed: Unclaimed, body: Body, most: Any) -> cython.void:
    """Make a ticket for the pages of a body, and the message of both."""
    a: Attachment = unclaimed.attachment
    n_before: u64 = len(unclaimed._rows)
    for i in range(len(body._pages)):
        made_ticket(unclaimed, a, node_of_pages(a, body._pages[i]), body._shown[i])
    rows = unclaimed._rows
    message = framed(a, body.w, rows[n_before:] if n_before else rows, 0)
    if most is not None and len(message) > most:
        buffer: Buffer = backing.room_for(a, len(message))  # type: ignore[assignment]
        try:
            buffer.view[:] = message
            node: u64 = node_of_pages(a, buffer.pages)
            row = made_ticket(unclaimed, a, node, len(message))
        finally:
            # A traceback would keep it.
            buffer = None  # type: ignore[assignment]
        move(body.w, FRAME_AT_BODY)
        message = framed(a, body.w, [row], FRAME_OUTSIDE)
    unclaimed._message = message


@cython.cfunc
def made_ticket(unclaimed: Unclaimed, a: Attachment, node: u64, n_bytes: u64) -> Any:
    """Make a ticket for the first bytes of a buffer that this process holds; return its row.

    Raises `OutOfTickets` if no ticket is free even after reaping.
    """
    request: Request = blank_request()
    request.node = node
    request.n_bytes = n_bytes
    request.now_ms = clock_ms()
    request.group = unclaimed.group
    request.n_claims = unclaimed.n_claims
    request.life_ms = unclaimed.life_ms
    if not unclaimed._rows:
        unclaimed._rows = []
    rows: list[Any] = unclaimed._rows
    rows.append(None)
    if run_operation(a, request, OP_SEND, 0) != DONE:
        # It waits for the lock, or raises.
        try:
            a.perform(request, OP_SEND)
        except OutOfTickets:
            a.perform(Request(), OP_REAP)
            a.perform(request, OP_SEND)
    row = (a, request.ticket_index, request.serial)
    rows[-1] = row
    return row


# -- the receiver


@cython.cfunc
def open_message(unclaimed: Unclaimed, again: cython.bint) -> cython.void:
    """Claim all tickets of the message that was received.

    Raises ValueError for bytes that `pack_message` did not make, and `StaleHandle` if a ticket no longer
    exists or the message is of another arena. Then nothing stays held, and the other tickets are ended
    too. `again` means that the caller has the bytes too, so that their tickets stay if the bytes are
    refused.
    """
    r: Any = None
    try:
        r = frame_in(unclaimed.attachment, unclaimed._message)
        again = False
        if is_outside(r):
            r = opened_outside(unclaimed, r)
        rows: list[Any] = tickets_in_frame(r)
        unclaimed.n_bytes = bytes_left(r)
        add_handles(rows, r)
        unclaimed._opened = unclaimed._message
        unclaimed._message = None
        claim_rows(unclaimed, rows)
    except BaseException as error:
        # The exception refers to this frame.
        r = None
        if again and isinstance(error, Exception):
            unclaimed.handed()
        unclaimed.close()
        end_all(unclaimed)
        raise


@cython.cfunc
def object_in(unclaimed: Unclaimed) -> Any:
    """Return the object of a message that was opened."""
    if unclaimed._opened is None:
        raise ValueError("this delivery has ended")
    r: Reader = Reader(unclaimed._opened)
    jump(r, FRAME_AT_BODY, FRAME_AT_BODY + unclaimed.n_bytes)
    return unpacked_body(unclaimed.attachment, r, unclaimed._pages, unclaimed._others, False)


@cython.cfunc
def claimed_pages(a: Attachment, index: u64, serial: u64) -> Any:
    """Claim a ticket of this arena: return what holds its pages. Raises `StaleHandle`."""
    request: Request = blank_request()
    request.ticket_index = index
    request.serial = serial
    if run_operation(a, request, OP_CLAIM, 0) != DONE:
        # It waits for the lock, or raises.
        a.perform(request, OP_CLAIM)
    pages = new_pages(a, request.n_pages)
    return filled(a, pages, request.node, request.n_pages, request.n_bytes)


@cython.cfunc
def claim_rows(unclaimed: Unclaimed, rows: Any) -> cython.void:
    """Be responsible for tickets that were received, and claim them."""
    unclaimed._rows = rows
    unclaimed._pages = []
    for i in range(len(rows)):
        row = rows[i]
        if type(row) is tuple:
            unclaimed._pages.append(claimed_pages(unclaimed.attachment, row[0], row[1]))
        else:
            if unclaimed._others is None:
                unclaimed._others = []
            unclaimed._others.append(sending.claim(row))
        rows[i] = None


@cython.cfunc
def opened_outside(unclaimed: Unclaimed, r: Reader) -> Reader:
    """Claim the only ticket of a message; return a reader of the message proper, which it contains."""
    a: Attachment = unclaimed.attachment
    unclaimed._rows = tickets_in_frame(r)
    unclaimed._message = None
    index, serial = unclaimed._rows[0]
    pages = claimed_pages(a, index, serial)
    # The view keeps the pages.
    unclaimed._message = exported(pages, asked_of(pages))
    unclaimed._rows = None
    del pages
    r = frame_in(a, unclaimed._message)
    if is_outside(r):
        raise contradiction(bytes_in(r))
    return r


# -- the end


@cython.cfunc
def end_all(unclaimed: Unclaimed) -> Any:
    """Withdraw all tickets that an `Unclaimed` has left; of received ones, give up one claim each."""
    rows = unclaimed._rows
    message = unclaimed._message
    unclaimed._rows = ()
    unclaimed._message = None
    if rows == () or unclaimed._pid != known_pid():
        return
    a: Attachment = unclaimed.attachment
    if rows is None:
        rows = rows_in(a, message)
    for row in rows:
        if row is None:
            continue
        if type(row) is not tuple:
            # If the arena of that handle cannot be attached here, there is nothing to do.
            with suppress(Exception):
                sending.give_up(row)
        elif len(row) == 2:
            end_ticket_soon(a, row[0], row[1], True)
        else:
            end_ticket_soon(row[0], row[1], row[2], False)


@cython.cfunc
def rows_in(a: Attachment, message: Any) -> Any:
    """Return the tickets of a message that was received, which may be any object."""
    try:
        r: Reader = frame_in(a, message)
        if is_outside(r):
            index, serial = tickets_in_frame(r)[0]
            request: Request = Request(ticket_index=index, serial=serial)
            if settled(a, request, OP_CLAIM) != DONE:
                return []
            r = frame_in(a, a.made(request, request.n_bytes).view)
            if is_outside(r):
                return []
        rows: list[Any] = tickets_in_frame(r)
        add_handles(rows, r)
        return rows
    except Exception:
        return []


@cython.cfunc
def end_ticket_soon(a: Attachment, index: Any, serial: Any, is_one_claim: Any) -> Any:
    """Withdraw a ticket, or give up one claim of it, now; or soon, if the lock is not available.

    Then the next `Unclaimed` does it.
    """
    request: Request = Request(ticket_index=index, serial=serial, is_one_claim=is_one_claim)
    if settled(a, request, OP_WITHDRAW) in (LOCKED, OWN_LOCK):
        a.late_tickets.append((index, serial, is_one_claim))


@cython.cfunc
def settled(a: Attachment, request: Request, operation: u64) -> u64:
    """Perform an operation without handling signals; wait a little for the lock."""
    answer: u64 = run_operation(a, request, operation, 0)
    if answer == LOCKED:
        if cython.compiled:
            a.away += 1
            with cython.nogil:  # type: ignore[attr-defined]
                answer = run_operation(a, request, operation, LOCK_PATIENCE_MS)
            a.away -= 1
        else:
            answer = run_operation(a, request, operation, LOCK_PATIENCE_MS)
    return answer


if not cython.compiled:
    # What the constructor refused to make ends nothing.
    Unclaimed._rows = ()
    Unclaimed._message = None
    Unclaimed.__del__ = end_all  # type: ignore[attr-defined]
