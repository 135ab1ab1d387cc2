"""Ring: a buffer with messages in order, and its words, checked and repaired.

A ring has a header, rows (one for each slot of the arena, or for each subscription), cells (one for
each message), and a region with the bytes of the messages. docs/protocol.md describes the words and
their order.
"""

from typing import Any

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.core.words import NO_PAGE, low, store, u64
    from pagebuddy.sharing.state import slot_at
    from pagebuddy.sharing.system.alive import lease_is_gone, may_judge
    from pagebuddy.sharing.system.child import is_present
    from pagebuddy.sharing.system.lock import lock, mutex_give, mutex_mend, mutex_take, unlock
    from pagebuddy.sharing.words import (
        C_CRC,
        C_NUMBER,
        C_SIZES,
        C_START,
        C_STATE,
        CELL_WORDS,
        DAMAGED,
        DONE,
        FOREIGN,
        LOCK_MUTEX,
        OVER,
        OWNER_DIED,
        QUEUE,
        R_BUSY,
        R_CLOSED,
        R_DONES,
        R_GETS,
        R_HEAD,
        R_NEXT,
        R_PENDING,
        R_PUTS,
        R_READY,
        R_TAIL,
        READY,
        ROW_MISSED,
        ROW_NEXT,
        ROW_STATE,
        ROW_TASKS,
        ROW_WORDS,
        SLOT_STATE,
        VOID,
        WRITING,
        is_live_slot,
    )


@cython.no_gc
@cython.final
@cython.cclass
class Ring:
    """A ring that this process holds. `pages` keeps its buffer, `late` has what is to be settled."""

    attachment: Attachment
    pages: Any
    words_owner: Any
    region_owner: Any
    words: cython.p_ulonglong
    region: cython.p_uchar
    node: u64
    kind: u64
    limit: u64
    n_cells: u64
    n_bytes: u64
    n_rows: u64
    rows_at: u64  # words from the start of the ring
    cells_at: u64
    region_at: u64
    spin_ns: u64  # how long a waiter spins before it sleeps; it adapts
    n_short_sleeps: u64
    is_trial: cython.bint  # the next spin is long, after short sleeps
    has_switched: cython.bint  # the last yield let another process run
    n_unyielding: u64  # so many of the next waits do not yield the processor
    n_unyielding_next: u64  # and half as many after the next yield that takes long
    late: list[Any]
    spare: Any  # a request that is not in use

    def __reduce__(self) -> Any:
        raise TypeError("a ring cannot be copied or pickled; pickle its queue or topic")


# -- words -------------------------------------------------------------------------------------------


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def set_guarded(r: Ring, index: u64, value: u64) -> cython.void:
    """Store a word, and its complement in the next one."""
    store(r.words, index, value)
    store(r.words, index + 1, value ^ NO_PAGE)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_guarded(r: Ring, index: u64) -> cython.bint:
    """Whether a word and the next one are complements."""
    return r.words[index] ^ r.words[index + 1] == NO_PAGE


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def cell_at(r: Ring, number: u64) -> u64:
    """The index of the first word of a message's cell."""
    return r.cells_at + (number & (r.n_cells - 1)) * CELL_WORDS


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def folded(word: u64) -> u64:
    """The bytes of a word, combined by exclusive or: 0 for a state whose bits were not flipped."""
    x: u64 = word ^ word >> 32
    x ^= x >> 16
    return (x ^ x >> 8) & 0xFF


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def owned_state(a: Attachment, code: u64) -> u64:
    """The state of a cell or a subscription that belongs to this process."""
    state: u64 = low(a.slots[slot_at(a.slot) + SLOT_STATE]) << 32 | a.slot << 8 | code
    return state | folded(state) << 24


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def code_of(state: u64) -> u64:
    """The code in a state."""
    return state & 0xFF


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def sum_of_cell(r: Ring, at: u64) -> u64:
    """A sum of a cell's number, start and sizes, in which each flipped bit shows."""
    start: u64 = r.words[at + C_START]
    sizes: u64 = r.words[at + C_SIZES]
    x: u64 = r.words[at + C_NUMBER]
    x ^= (start << 21 & NO_PAGE) | start >> 43
    x ^= (sizes << 42 & NO_PAGE) | sizes >> 22
    return low(x ^ x >> 32)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def size_of_message(r: Ring, at: u64) -> u64:
    """The bytes of a message, references included, from its cell."""
    return low(r.words[at + C_SIZES])


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def place_of_message(r: Ring, at: u64) -> u64:
    """Where a message's bytes start in the region, from its cell."""
    return r.words[at + C_START] & (r.n_bytes - 1)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def is_whole_cell(r: Ring, at: u64, number: u64) -> cython.bint:
    """Whether a cell is that of a message, with a state, and describes bytes in the region."""
    size: u64 = size_of_message(r, at)
    refs: u64 = r.words[at + C_SIZES] >> 32
    return (
        r.words[at + C_NUMBER] == number
        and folded(r.words[at + C_STATE]) == 0
        and low(r.words[at + C_CRC]) == sum_of_cell(r, at)
        and place_of_message(r, at) + size <= r.n_bytes
        and refs * 16 <= size
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def is_dead_owner(a: Attachment, state: u64) -> cython.bint:
    """Whether the process that a state names has ended: its slot is another's, or has no lease."""
    slot: u64 = state >> 8 & 0xFFFF
    if slot == 0 or slot >= a.n_slots:
        return True
    there: u64 = a.slots[slot_at(slot) + SLOT_STATE]
    if not is_live_slot(there) or low(there) != state >> 32:
        return True
    return slot != a.slot and may_judge(a) and lease_is_gone(a, slot)


# -- the lock ----------------------------------------------------------------------------------------


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def is_sound_ring(r: Ring) -> cython.bint:
    """Whether the words that change agree with each other."""
    n: u64 = r.words[R_HEAD] - r.words[R_TAIL] if r.words[R_HEAD] >= r.words[R_TAIL] else NO_PAGE
    return (
        is_guarded(r, R_HEAD)
        and is_guarded(r, R_TAIL)
        and is_guarded(r, R_READY)
        and is_guarded(r, R_PENDING)
        and is_guarded(r, R_NEXT)
        and is_guarded(r, R_CLOSED)
        and n <= r.n_cells
        and r.words[R_PENDING] <= n
        and r.words[R_READY] <= r.words[R_PENDING]
        and r.words[R_NEXT] <= r.words[R_HEAD]
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def repair_ring(r: Ring) -> cython.void:
    """Rebuild what is derived, after a process died between lock and unlock. May be repeated."""
    head: u64 = r.words[R_HEAD]
    tail: u64 = r.words[R_TAIL]
    at: u64 = cell_at(r, head)
    # A put stores the state before the head.
    while (
        head - tail < r.n_cells
        and r.words[at + C_NUMBER] == head
        and folded(r.words[at + C_STATE]) == 0
        and code_of(r.words[at + C_STATE]) in (WRITING, READY)
    ):
        head += 1
        at = cell_at(r, head)
    pending: u64 = 0
    ready: u64 = 0
    number: u64 = tail
    while number < head and number - tail < r.n_cells:
        code: u64 = code_of(r.words[cell_at(r, number) + C_STATE])
        if code in (WRITING, READY):
            pending += 1
        if code == READY:
            ready += 1
        number += 1
    set_guarded(r, R_HEAD, head)
    set_guarded(r, R_TAIL, tail)
    set_guarded(r, R_READY, ready)
    set_guarded(r, R_PENDING, pending)
    set_guarded(r, R_NEXT, tail)
    set_guarded(r, R_CLOSED, r.words[R_CLOSED])
    number = 0
    while number < r.n_rows:
        at = r.rows_at + number * ROW_WORDS
        set_guarded(r, at + ROW_TASKS, r.words[at + ROW_TASKS])
        number += 1
    store(r.words, R_PUTS + 1, 1)
    store(r.words, R_GETS + 1, 1)
    store(r.words, R_DONES + 1, 1)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def unlock_ring(a: Attachment, r: Ring) -> cython.void:
    """Release the ring's lock."""
    store(r.words, R_BUSY, 0)
    if a.lock_kind == LOCK_MUTEX:
        mutex_give(r.words)
    else:
        unlock(a)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def lock_ring(a: Attachment, r: Ring, milliseconds: u64) -> u64:
    """Take the ring's lock: DONE, or the reason why not."""
    if not is_present():
        return FOREIGN
    answer: u64 = 0
    if a.lock_kind == LOCK_MUTEX:
        answer = mutex_take(r.words, milliseconds)
    else:
        answer = lock(a, milliseconds)
    if answer != DONE and answer != OWNER_DIED:
        return answer
    if answer or r.words[R_BUSY]:
        repair_ring(r)
        if answer and a.lock_kind == LOCK_MUTEX:
            mutex_mend(r.words)
    store(r.words, R_BUSY, a.slot + 1)
    if not is_sound_ring(r):
        unlock_ring(a, r)
        return DAMAGED
    return DONE


# -- states ------------------------------------------------------------------------------------------


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def is_owned(a: Attachment, r: Ring, number: u64, code: u64) -> cython.bint:
    """Whether a message is still in its cell, and in that state by this process."""
    at: u64 = cell_at(r, number)
    return r.words[at + C_NUMBER] == number and r.words[at + C_STATE] == owned_state(a, code)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def set_state(a: Attachment, r: Ring, number: u64, code: u64) -> cython.void:
    """Store a message's state, as one of this process."""
    store(r.words, cell_at(r, number) + C_STATE, owned_state(a, code))


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def count_ready(r: Ring, pending: u64, ready: u64) -> cython.void:
    """Set how many messages are pending, and ready."""
    set_guarded(r, R_PENDING, pending)
    set_guarded(r, R_READY, ready)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def pass_subscribers(r: Ring, number: u64, was_ready: cython.bint) -> cython.void:
    """Let subscriptions that did not read a message go on behind it, and count it as missed."""
    row: u64 = 0
    while row < r.n_rows:
        at: u64 = r.rows_at + row * ROW_WORDS
        if r.words[at + ROW_STATE] and r.words[at + ROW_NEXT] == number:
            missed: u64 = r.words[at + ROW_MISSED + (number & 1)]
            store(r.words, at + ROW_MISSED + (~number & 1), missed + was_ready)
            set_guarded(r, at + ROW_NEXT, number + 1)
        row += 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def advance_tail(r: Ring) -> cython.void:
    """Free the cells of the oldest messages that are over."""
    tail: u64 = r.words[R_TAIL]
    head: u64 = r.words[R_HEAD]
    first: u64 = tail
    at: u64 = cell_at(r, tail)
    while (
        tail < head
        and r.words[at + C_NUMBER] == tail
        and folded(r.words[at + C_STATE]) == 0
        and code_of(r.words[at + C_STATE]) in (OVER, VOID)
    ):
        if r.kind != QUEUE:
            pass_subscribers(r, tail, code_of(r.words[at + C_STATE]) == OVER)
        tail += 1
        at = cell_at(r, tail)
    if tail != first:
        set_guarded(r, R_TAIL, tail)
        if r.words[R_NEXT] < tail:
            set_guarded(r, R_NEXT, tail)
