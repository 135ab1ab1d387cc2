"""Reaping: ending the holds of dead processes, under the lock.

A process is dead if its slot is live and its lease is gone; nothing else proves it. One walk ends all
dead processes of a word of holds, because all others wait meanwhile. Each step can be repeated: if the
reaping process dies half way, the slots stay dead, and the next one reaps them.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.words import low, store, u64
    from pagebuddy.sharing.holding.holds import free_if_unused, settle_and_find_first
    from pagebuddy.sharing.holding.magazine import clear_magazine
    from pagebuddy.sharing.holding.notes import add_note, count_if_freed, note_dead
    from pagebuddy.sharing.recovery.takeover import next_buffer
    from pagebuddy.sharing.state import ArenaState, add_count, holds_at, slot_at
    from pagebuddy.sharing.system.alive import lease_is_gone, may_judge
    from pagebuddy.sharing.words import (
        A_REAPED,
        NOTE_REAPED,
        SLOT_STATE,
        SLOT_STICKY,
        hold_bit,
        hold_word,
        is_live_slot,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_among(slot: u64, word: u64, bits: u64) -> cython.bint:
    """Whether a slot's bit is one of these bits of a word of holds."""
    return hold_word(slot) == word and hold_bit(slot) & bits != 0


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def end_slots(a: ArenaState, word: u64, bits: u64) -> cython.void:
    """End all holds of the slots with these bits in a word of holds, and free the slots."""
    slot: u64 = 1
    while slot < a.n_slots:
        # First, because a round is a buffer that its slot holds.
        if is_among(slot, word, bits):
            clear_magazine(a, slot)
        slot += 1
    node: u64 = settle_and_find_first(a)
    while node and a.fault == 0:
        after: u64 = next_buffer(a, node)
        at: u64 = holds_at(a, node) + word
        if a.holds[at] & bits:
            was: u64 = a.records[node]
            store(a.holds, at, a.holds[at] & ~bits)
            free_if_unused(a, node)
            count_if_freed(a, node, was)
        node = after
    slot = 1
    while slot < a.n_slots and a.fault == 0:
        if is_among(slot, word, bits):
            state: u64 = a.slots[slot_at(slot) + SLOT_STATE]
            store(a.slots, slot_at(slot) + SLOT_STICKY, 0)
            store(a.slots, slot_at(slot) + SLOT_STATE, low(state))
        slot += 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def end_slot(a: ArenaState, slot: u64) -> cython.void:
    """End all holds of a slot, and free the slot."""
    end_slots(a, hold_word(slot), hold_bit(slot))


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def reap(a: ArenaState) -> u64:
    """End all slots of dead processes; how many there were. Cost: one walk for each word of holds."""
    count: u64 = 0
    word: u64 = 0
    a.freed_buffers = a.freed_pages = 0
    while may_judge(a) and word < a.words_of_holds and a.fault == 0:
        bits: u64 = 0
        slot: u64 = 1
        while slot < a.n_slots:
            live: cython.bint = is_live_slot(a.slots[slot_at(slot) + SLOT_STATE])
            mine: cython.bint = slot == a.slot
            if live and not mine and hold_word(slot) == word and lease_is_gone(a, slot):
                bits |= hold_bit(slot)
                count += 1
                note_dead(a, slot)
            slot += 1
        if bits:
            end_slots(a, word, bits)
        word += 1
    if count:
        add_count(a, A_REAPED, count)
        add_note(a, NOTE_REAPED, count)
    return count


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def begin_slot(a: ArenaState, slot: u64) -> cython.bint:
    """Make a slot live, whose lease this process has taken; False if it is live already."""
    state: u64 = a.slots[slot_at(slot) + SLOT_STATE]
    if is_live_slot(state):
        return False
    one: u64 = 1
    clear_magazine(a, slot)
    store(a.slots, slot_at(slot) + SLOT_STATE, one << 63 | low(state + 1))
    return True
