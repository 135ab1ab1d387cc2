"""Reaping: what the dead held goes back, in one hold of the lock.

A process is dead when its slot is live and its lease is gone; nothing else is proof. Each step may be
repeated, and who dies half way leaves the slot dead.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.words import low, store, u64
    from pagebuddy.sharing.alive import lease_is_gone, may_judge
    from pagebuddy.sharing.attachment import Attachment, slot_at
    from pagebuddy.sharing.holds import first_buffer, free_if_unused, holds, is_buffer, remove_hold
    from pagebuddy.sharing.magazine import clear_magazine
    from pagebuddy.sharing.takeover import next_buffer
    from pagebuddy.sharing.words import SLOT_STATE, SLOT_STICKY, is_live_slot


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def end_slot(a: Attachment, slot: u64) -> cython.void:
    """End all holds of a slot, and free it."""
    state: u64 = a.slots[slot_at(slot) + SLOT_STATE]
    # First: a round is a buffer that its slot holds.
    clear_magazine(a, slot)
    node: u64 = first_buffer(a)
    while node and a.fault == 0:
        after: u64 = next_buffer(a, node)
        if holds(a, node, slot):
            is_buffer(a, node)
            remove_hold(a, node, slot)
            free_if_unused(a, node)
        node = after
    if a.fault == 0:
        store(a.slots, slot_at(slot) + SLOT_STICKY, 0)
        store(a.slots, slot_at(slot) + SLOT_STATE, low(state))


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def reap(a: Attachment) -> u64:
    """End all slots of the dead; how many there were."""
    count: u64 = 0
    if may_judge(a):
        slot: u64 = 1
        while slot < a.n_slots and a.fault == 0:
            live: cython.bint = is_live_slot(a.slots[slot_at(slot) + SLOT_STATE])
            if live and slot != a.slot and lease_is_gone(a, slot):
                end_slot(a, slot)
                count += 1
            slot += 1
    return count


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def begin_slot(a: Attachment, slot: u64) -> cython.bint:
    """Make a free slot, whose lease this process has taken, its own; False where it is not free."""
    state: u64 = a.slots[slot_at(slot) + SLOT_STATE]
    if is_live_slot(state):
        return False
    one: u64 = 1
    clear_magazine(a, slot)
    store(a.slots, slot_at(slot) + SLOT_STATE, one << 63 | low(state + 1))
    return True
