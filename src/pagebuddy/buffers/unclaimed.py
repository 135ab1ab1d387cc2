"""Unclaimed: the tickets of a message, which end with this object unless they were sent or claimed.

An exception, such as KeyboardInterrupt, may be raised between any two steps of Python code. So tickets
are recorded here by the method that makes or receives them, and end when nothing refers to this object
any more. Compiled, no Python code runs in between.
"""

import os
from contextlib import suppress
from typing import Any

from pagebuddy.core import stand_in as cython
from pagebuddy.errors import OutOfTickets
from pagebuddy.sharing.joining import sending

if not cython.compiled:
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.buffers.buffer import Buffer
    from pagebuddy.buffers.pages import node_of_pages
    from pagebuddy.core.words import u64
    from pagebuddy.sharing.operations.dispatch import run_operation
    from pagebuddy.sharing.request import Request
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
@cython.final
@cython.cclass
class Unclaimed:
    """The tickets that somebody is responsible for: the sender of a message, or its receiver.

    These hold:
    - A row is the attachment, index and serial of a ticket that was made; or a handle that was received;
      or None for a ticket that was claimed.
    - If there are no rows (None), the tickets are those of the message.
    """

    attachment: Attachment
    _message: Any
    _rows: Any
    _pid: Any  # a child of a fork is responsible for nothing
    _group: Any  # of the tickets that this makes, or 0
    _n_claims: Any  # how often each can be claimed, as in a `Request`
    _life_ms: Any

    def __init__(
        self, attachment: Attachment, group: Any = 0, n_claims: Any = 1, life_ms: Any = 0
    ) -> None:
        self.attachment = attachment
        self._group = group
        self._n_claims = n_claims
        self._life_ms = life_ms
        self._message = None
        self._rows = []
        self._pid = os.getpid()
        if attachment.late_tickets:
            late, attachment.late_tickets = attachment.late_tickets, []
            for index, serial, is_one_claim in late:
                end_ticket_soon(attachment, index, serial, is_one_claim)

    @property
    def message(self) -> Any:
        """The bytes that were received or are to be sent."""
        return self._message

    # -- the sender

    def send(self, buffer: Any, nbytes: Any) -> Any:
        """Make a ticket for the first bytes of a buffer; None means all that it shows.

        Returns the attachment to the buffer's arena, and the ticket's index and serial. Raises
        `OutOfTickets` if no ticket is free even after reaping, and ValueError for a released buffer.
        """
        held: Buffer = buffer
        a: Attachment = held._allocator
        # This reference keeps the hold.
        pages, n_bytes = held._taken()
        node: u64 = node_of_pages(a, pages)
        if nbytes is not None:
            n_bytes = nbytes
        request: Request = Request(node, 0, n_bytes, now_ms=clock_ms(), group=self._group)
        request.n_claims = self._n_claims
        request.life_ms = self._life_ms
        self._rows.append(None)
        try:
            try:
                a.perform(request, OP_SEND)
            except OutOfTickets:
                a.perform(Request(), OP_REAP)
                a.perform(request, OP_SEND)
        except BaseException:
            # A traceback would keep it.
            buffer = held = pages = None  # type: ignore[assignment]
            raise
        row = (a, request.ticket_index, request.serial)
        self._rows[-1] = row
        return row

    def pack(self, message: bytes) -> None:
        """Note the bytes that are to be sent."""
        self._message = message

    def send_by(self, send: Any, flags: int) -> None:
        """Call a function that sends the message. If it succeeds, the receiver has the tickets."""
        send(self._message, flags)
        self._rows = []

    def handed(self) -> Any:
        """Return the message to a caller who is responsible for its tickets from now on."""
        message, self._message = self._message, None
        self._rows = []
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

    def take_handles(self, handles: Any) -> None:
        """Be responsible for these handles, which are all of the message."""
        self._rows = list(handles)
        self._message = None

    def claim(self, row: int) -> Any:
        """Claim a handle: return the buffer. Raises `StaleHandle`."""
        handle = self._rows[row]
        if is_of(self.attachment, handle):
            buffer: Any = self.attachment.claimed(index_in(handle), serial_in(handle))
        else:
            buffer = sending.claim(handle)
        self._rows[row] = None
        return buffer

    def open_first(self) -> Any:
        """Claim the only handle, and be responsible for the message in its buffer; return that."""
        self._rows = handles_in(self._message)
        self._message = self.claim(0).view
        self._rows = None
        return self._message

    # -- the end

    def end(self) -> None:
        """Withdraw the tickets that are left. It never raises: a ticket may have ended before."""
        end_all(self)

    if cython.compiled:

        def __dealloc__(self) -> None:
            end_all(self)


@cython.cfunc
def end_all(unclaimed: Unclaimed) -> Any:
    """Withdraw all tickets that an `Unclaimed` has left; of received ones, give up one claim each."""
    rows = unclaimed._rows
    message = unclaimed._message
    unclaimed._rows = []
    unclaimed._message = None
    if rows == [] or unclaimed._pid != os.getpid():
        return
    a: Attachment = unclaimed.attachment
    if rows is None:
        rows = handles_in(message) if is_made_by(a, message) else []
        if rows and is_outside(message):
            rows = handles_in(message_in_arena(a, rows))
    for row in rows or ():
        if row is None:
            continue
        if type(row) is tuple:
            owner: Attachment = row[0]
            end_ticket_soon(owner, row[1], row[2], False)
        elif is_of(a, row):
            end_ticket_soon(a, index_in(row), serial_in(row), True)
        else:
            # If the arena of that handle cannot be attached here, there is nothing to do.
            with suppress(Exception):
                sending.give_up(row)


@cython.cfunc
def message_in_arena(a: Attachment, rows: Any) -> Any:
    """Claim the only handle of a message that lies in the arena; return its bytes, or no bytes."""
    if not rows or not is_of(a, rows[0]):
        return b""
    request: Request = Request(ticket_index=index_in(rows[0]), serial=serial_in(rows[0]))
    if settled(a, request, OP_CLAIM) != DONE:
        return b""
    return a.made(request, request.n_bytes).view


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


# -- where a handle and a frame have their numbers: see `sharing/joining/handle.py`, `exchange/frame.py`


@cython.cfunc
def number_at(data: Any, at: int, n_bytes: int) -> Any:
    return int.from_bytes(data[at : at + n_bytes], "little")


@cython.cfunc
def index_in(handle: Any) -> Any:
    return number_at(handle, 16, 4)


@cython.cfunc
def serial_in(handle: Any) -> Any:
    return number_at(handle, 20, 8)


@cython.cfunc
def is_of(a: Attachment, handle: Any) -> Any:
    """Whether a handle is of this arena."""
    return number_at(handle, 0, 16) == a.layout.arena_id


@cython.cfunc
def is_made_by(a: Attachment, message: Any) -> Any:
    """Whether a message is of this arena. It may be any object, and have any number of bytes."""
    try:
        start = bytes(memoryview(message).cast("B")[16:32])
    except Exception:
        return False
    return number_at(start, 0, 16) == a.layout.arena_id


@cython.cfunc
def is_outside(message: Any) -> Any:
    """Whether the only handle of a message is of a buffer that contains the message proper."""
    return number_at(memoryview(message).cast("B"), 14, 2) == 1


@cython.cfunc
def handles_in(message: Any) -> Any:
    """Return the handles in a message; fewer if it was cut."""
    handles: list[bytes] = []
    message = memoryview(message).cast("B")
    if len(message) < 48:
        return handles
    left = number_at(message, 32, 4)
    at = 48
    while left and at + 2 <= len(message):
        end = at + 2 + number_at(message, at, 2)
        handles.append(bytes(message[at + 2 : end]))
        at = end
        left -= 1
    return handles


if not cython.compiled:
    Unclaimed.__del__ = end_all  # type: ignore[attr-defined]
