"""A tape: the ring buffer in which a recording collects lines of text, in blocks, for a file.

A thread that has the arena's lock puts lines on it; full blocks are written without the lock. A line
does not cross blocks: the rest of a block is filled with empty lines. A file grows by whole blocks, so
it ends with a whole line even if the process is killed.
"""

from typing import Any

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from threading import Lock

    from pagebuddy.core.words import bytes_of, i64, u64
    from pagebuddy.sharing.recording.writing import begin_writing, end_writing, written
    from pagebuddy.sharing.words import (
        TAPE_ALLOC,
        TAPE_BLOCK,
        TAPE_BYTES,
        TAPE_COMMA,
        TAPE_END,
        TAPE_FREE,
        TAPE_LINE,
        TAPE_ZERO,
    )


@cython.cclass
class Tape:
    """Lines for a file whose descriptor belongs to the caller.

    These hold:
    - `taken <= put <= taken + TAPE_BYTES`.
    - The file has `taken` bytes; byte p of the file is byte p modulo TAPE_BYTES of the tape.
    - `put`, and the bytes from `taken` on, change only under the arena's lock.
    - `taken` changes only in the thread that has `writing`.
    """

    text: cython.p_uchar
    memory: Any
    fd: i64
    put: u64
    taken: u64
    n_events: u64
    n_lost: u64  # events for which there was no room
    failure: u64  # the errno that ended writing, or 0
    writing: u64
    lock: Any  # uncompiled, a Lock

    def __init__(self, fd: int, at: int) -> None:
        """Begin behind a header of `at` bytes, which the file has already."""
        self.memory = memoryview(bytearray(TAPE_BYTES))
        self.text = bytes_of(self.memory)
        self.fd = fd
        self.put = self.taken = at
        self.n_events = self.n_lost = self.failure = self.writing = 0
        if not cython.compiled:
            self.lock = Lock()

    def finish(self) -> bool:
        """Write the rest, after the last line was put; False while another thread is writing."""
        return bool(write_tape(self, self.put))

    @property
    def figures(self) -> tuple[int, int, int]:
        """Events, events lost, and the errno that ended writing, or 0."""
        return self.n_events, self.n_lost, self.failure


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def put_byte(t: Tape, byte: u64) -> cython.void:
    """Put a byte on a tape that has room."""
    t.text[t.put & (TAPE_BYTES - 1)] = byte
    t.put += 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def make_room_for(t: Tape, n_events: u64) -> cython.bint:
    """Make room for lines in one block, beginning a new one if needed; if False, they count as lost."""
    n: u64 = n_events * TAPE_LINE
    left: u64 = TAPE_BLOCK - (t.put & (TAPE_BLOCK - 1))
    if left >= n:
        left = 0
    if t.failure or t.put + left + n - t.taken > TAPE_BYTES:
        t.n_lost += n_events
        return False
    t.n_events += n_events
    while left:
        put_byte(t, TAPE_END)
        left -= 1
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def put_letters(t: Tape, letters: u64) -> cython.void:
    """Put a word's letters, the lowest byte first, on a tape that has room."""
    while letters:
        put_byte(t, letters & 0xFF)
        letters >>= 8


@cython.nogil
@cython.exceptval(check=False)
@cython.cdivision(True)
@cython.cfunc
def put_number(t: Tape, number: u64) -> cython.void:
    """Put a number, in decimal digits, on a tape that has room."""
    place: u64 = 1
    while number // place >= 10:
        place *= 10
    while place:
        put_byte(t, TAPE_ZERO + number // place % 10)
        place //= 10


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def put_alloc(t: Tape, key: u64, n_bytes: u64) -> cython.void:
    """Put an allocation on a tape that has room."""
    put_letters(t, TAPE_ALLOC)
    put_number(t, key)
    put_byte(t, TAPE_COMMA)
    put_number(t, n_bytes)
    put_byte(t, TAPE_END)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def put_free(t: Tape, key: u64) -> cython.void:
    """Put a free on a tape that has room."""
    put_letters(t, TAPE_FREE)
    put_number(t, key)
    put_byte(t, TAPE_COMMA)
    put_byte(t, TAPE_END)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def write_tape(t: Tape, end: u64) -> cython.bint:
    """Write what was put before `end`; False if another thread is writing."""
    if not begin_writing(t):
        return False
    try:
        while t.taken < end and t.failure == 0:
            at: u64 = t.taken & (TAPE_BYTES - 1)
            n: u64 = TAPE_BYTES - at
            if n > end - t.taken:
                n = end - t.taken
            t.failure = written(t, at, n)
            t.taken += n
    finally:
        end_writing(t)
    return True
