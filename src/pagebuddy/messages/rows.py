"""Rows of a queue: for each slot, whether its process puts messages, and how many tasks it has open."""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.core.words import low, store, u64
    from pagebuddy.messages.ring import Ring, folded, is_guarded, owned_state, set_guarded
    from pagebuddy.sharing.state import slot_at
    from pagebuddy.sharing.words import (
        PUTTING,
        QUEUE,
        ROW_STATE,
        ROW_TASKS,
        ROW_WORDS,
        SLOT_STATE,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def row_at(r: Ring, slot: u64) -> u64:
    """The index of the first word of a slot's row."""
    return r.rows_at + slot * ROW_WORDS


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def note_producer(a: Attachment, r: Ring) -> cython.void:
    """Note that this process put something."""
    row: u64 = row_at(r, a.slot)
    mark: u64 = owned_state(a, PUTTING)
    if r.kind == QUEUE and r.words[row + ROW_STATE] != mark:
        store(r.words, row + ROW_STATE, mark)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_whole_row(r: Ring, at: u64) -> cython.bint:
    """Whether the words of a queue's row were not overwritten."""
    return folded(r.words[at + ROW_STATE]) == 0 and is_guarded(r, at + ROW_TASKS)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def count_task(a: Attachment, r: Ring, more: cython.bint) -> cython.bint:
    """Count a message as got by this process and not done yet, or as done; False if there is none."""
    at: u64 = row_at(r, a.slot) + ROW_TASKS
    mine: u64 = low(a.slots[slot_at(a.slot) + SLOT_STATE]) << 32
    count: u64 = low(r.words[at]) if (r.words[at] ^ mine) >> 32 == 0 else 0
    if not more and count == 0:
        return False
    if r.kind == QUEUE:
        set_guarded(r, at, mine | (count + 1 if more else count - 1))
    return True
