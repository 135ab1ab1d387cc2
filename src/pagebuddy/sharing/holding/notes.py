"""Notes for the log: what an operation did for others, and this process tells when the lock is released.

Under the lock, and in C code without the GIL, nothing can be logged. So it is noted in memory of this
process; `joining/telling.py` takes the notes from there.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.words import is_live, pages_in, u64
    from pagebuddy.sharing.state import ArenaState, slot_at
    from pagebuddy.sharing.system.atomic import fence
    from pagebuddy.sharing.words import (
        MOST_NOTES,
        NOTE_DEAD,
        NOTE_WORDS,
        SLOT_NAME,
        SLOT_NAME_WORDS,
        SLOT_PID,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def add_note(a: ArenaState, kind: u64, count: u64) -> cython.void:
    """Note how many of a kind there were, and what was freed; nothing if there are too many notes."""
    if a.n_noted - a.n_told >= MOST_NOTES:
        return
    at: u64 = a.n_noted % MOST_NOTES * NOTE_WORDS
    a.notes[at] = kind
    a.notes[at + 1] = count
    a.notes[at + 2] = a.freed_buffers
    a.notes[at + 3] = a.freed_pages
    # A thread that takes notes does not have the lock.
    fence()
    a.n_noted += 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def note_dead(a: ArenaState, slot: u64) -> cython.void:
    """Note which process is in a slot; leaves room for the note of how many there were."""
    if a.n_noted - a.n_told >= MOST_NOTES - 1:
        return
    at: u64 = a.n_noted % MOST_NOTES * NOTE_WORDS
    own: u64 = slot_at(slot)
    i: u64 = 0
    a.notes[at] = NOTE_DEAD
    a.notes[at + 1] = a.slots[own + SLOT_PID]
    while i < SLOT_NAME_WORDS:
        a.notes[at + 2 + i] = a.slots[own + SLOT_NAME + i]
        i += 1
    fence()
    a.n_noted += 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def count_if_freed(a: ArenaState, node: u64, was: u64) -> cython.void:
    """Count what was freed, if the buffer whose record this was is not live any more."""
    if is_live(was) and not is_live(a.records[node]):
        a.freed_buffers += 1
        a.freed_pages += pages_in(was)
