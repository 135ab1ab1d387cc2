"""Shared slots: several processes have one slot, because a fork found none for its child.

The slot is *sticky*: no hold of it ends, because any of its processes may use the buffer. Each process
marks in `local` for which buffers it has objects itself. As soon as it has the slot alone, or one of its
own, all other holds end, and the marks: the next operation of the process does that.

All processes that share a slot inherit a page, and the system counts who has it (`is_sole_user`).

    a.unsettled    0, or what has to be done until it is 0 again:
    UNMARKED       mark the objects of this process: the fork could not
    MARKED         end the holds without a mark, when this process has its slot alone
    MARKED_STILL   remove the marks
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.words import FIRST_NODE, store, u64
    from pagebuddy.sharing.holding.holds import (
        add_hold,
        free_if_unused,
        holds,
        remove_hold,
        settle_and_find_first,
    )
    from pagebuddy.sharing.holding.magazine import empty_magazine
    from pagebuddy.sharing.holding.reaping import begin_slot
    from pagebuddy.sharing.recording.recording import record_end
    from pagebuddy.sharing.recovery.takeover import next_buffer
    from pagebuddy.sharing.state import ArenaState, own_magazine, slot_at
    from pagebuddy.sharing.system.alive import may_judge
    from pagebuddy.sharing.system.child import (
        adopt_lease,
        drop_child_lease,
        own_pid,
        set_lease_inherited,
        take_child_lease,
    )
    from pagebuddy.sharing.system.sharers import (
        begin_tally,
        end_tally,
        is_sole_user,
        keep_forks_out,
        let_forks_in,
    )
    from pagebuddy.sharing.words import (
        A_POISONED,
        LOCK_MUTEX,
        MARKED,
        MARKED_STILL,
        OWN_OBJECT,
        SLOT_NAME,
        SLOT_NAME_WORDS,
        SLOT_NAMESPACE,
        SLOT_PID,
        SLOT_START,
        SLOT_STATE,
        SLOT_STICKY,
        UNMARKED,
        hold_bit,
        hold_word,
        is_live_slot,
        pieces_in,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def mark_objects(a: ArenaState) -> cython.void:
    """Mark all buffers that this process holds: as far as is known, it has objects for them."""
    # A round is held without an object.
    empty_magazine(a, a.slot)
    node: u64 = settle_and_find_first(a)
    while node and a.fault == 0:
        if holds(a, node, a.slot):
            a.local[node - FIRST_NODE] = a.local[node - FIRST_NODE] | OWN_OBJECT
        node = next_buffer(a, node)
    if a.fault == 0:
        a.unsettled = MARKED


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def share_slot(a: ArenaState) -> cython.void:
    """Share this process's slot and lease with a child; from now on, this process ends no hold."""
    if not a.sticky:
        begin_tally(a)
    a.n_shares += 1
    a.sticky = True
    if a.unsettled != MARKED:
        a.unsettled = UNMARKED
    store(a.slots, slot_at(a.slot) + SLOT_STICKY, 1)
    set_lease_inherited(a, True)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def end_unmarked_holds(a: ArenaState, shares: u64) -> cython.void:
    """End the holds of buffers for which this process has no object."""
    node: u64 = settle_and_find_first(a)
    while node and a.fault == 0:
        after: u64 = next_buffer(a, node)
        if holds(a, node, a.slot) and a.local[node - FIRST_NODE] < OWN_OBJECT:
            if a.n_shares != shares:
                # Uncompiled: a signal handler forked just now.
                return
            remove_hold(a, node, a.slot)
            if node < a.recorded:
                record_end(a, node)
            free_if_unused(a, node)
        node = after
    if a.fault == 0 and a.n_shares == shares:
        a.unsettled = MARKED_STILL


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def end_marks(a: ArenaState, shares: u64) -> cython.void:
    """Remove all marks."""
    node: u64 = settle_and_find_first(a)
    while node and a.fault == 0 and a.n_shares == shares:
        a.local[node - FIRST_NODE] = a.local[node - FIRST_NODE] & (OWN_OBJECT - 1)
        node = next_buffer(a, node)
    if a.fault == 0 and a.n_shares == shares:
        a.unsettled = 0


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_free_slot(a: ArenaState) -> u64:
    """Take the lease of a free slot, so that a child inherits it; the slot, or 0 if there is none."""
    if not may_judge(a):
        # The descriptor was closed, and may belong to another file now.
        return 0
    slot: u64 = 1
    while slot < a.n_slots:
        free: cython.bint = not is_live_slot(a.slots[slot_at(slot) + SLOT_STATE])
        if free and take_child_lease(a, slot):
            return slot
        slot += 1
    return 0


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def describe_slot(a: ArenaState, slot: u64, pid: u64) -> cython.void:
    """Describe a process in its slot by the name and namespace of this one; a child has no id yet."""
    store(a.slots, slot_at(slot) + SLOT_PID, pid)
    store(a.slots, slot_at(slot) + SLOT_START, 0)
    own: u64 = a.slots[slot_at(a.slot) + SLOT_NAMESPACE]
    store(a.slots, slot_at(slot) + SLOT_NAMESPACE, own)
    i: u64 = 0
    while i < SLOT_NAME_WORDS:
        store(a.slots, slot_at(slot) + SLOT_NAME + i, a.slots[slot_at(a.slot) + SLOT_NAME + i])
        i += 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def have_slot_alone(a: ArenaState) -> cython.void:
    """End the sharing of this slot, which no other process has any more."""
    a.sticky = False
    store(a.slots, slot_at(a.slot) + SLOT_STICKY, 0)
    set_lease_inherited(a, False)
    end_tally(a)
    if a.slots[slot_at(a.slot) + SLOT_PID] != own_pid():
        # The process that had the slot at first is gone.
        store(a.slots, slot_at(a.slot) + SLOT_PID, own_pid())
        store(a.slots, slot_at(a.slot) + SLOT_START, 0)
    if a.lock_kind == LOCK_MUTEX:
        a.top_round = a.most_rounds = 0
        a.is_full = False
        a.magazine = own_magazine(a, a.slot)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def end_sharing(a: ArenaState) -> cython.void:
    """End the sharing of this slot if all others that had it are gone. The caller keeps forks out."""
    if a.base[A_POISONED]:
        return
    if a.unsettled == UNMARKED:
        # Buffers that another process of this slot got meanwhile are then held as long as this process.
        mark_objects(a)
    shares: u64 = a.n_shares
    if a.unsettled == MARKED and (not a.sticky or is_sole_user(a)):
        # While it forked, another thread may have loaded a round.
        empty_magazine(a, a.slot)
        end_unmarked_holds(a, shares)
    if a.unsettled == MARKED_STILL:
        if a.sticky:
            have_slot_alone(a)
        end_marks(a, shares)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def end_sharing_if_possible(a: ArenaState) -> cython.void:
    """`end_sharing`, unless a thread of this process forks or attaches."""
    if keep_forks_out(a):
        try:
            end_sharing(a)
        finally:
            let_forks_in(a)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def copy_holds(a: ArenaState, slot: u64, marked: cython.bint) -> cython.void:
    """Give a slot a hold on every buffer that this slot holds; if `marked`, on those with a mark."""
    node: u64 = settle_and_find_first(a)
    while node and a.fault == 0:
        if holds(a, node, a.slot) and (not marked or a.local[node - FIRST_NODE] >= OWN_OBJECT):
            add_hold(a, node, slot)
        node = next_buffer(a, node)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_own_slot(a: ArenaState) -> cython.bint:
    """Leave the shared slot to the others, and take a free one, if any. The caller keeps forks out."""
    if a.unsettled != MARKED or a.base[A_POISONED]:
        return False
    if pieces_in(a.slots[slot_at(a.slot) + SLOT_STATE]):
        # A trim counts its pieces there.
        return False
    slot: u64 = take_free_slot(a)
    if slot == 0:
        return False
    begin_slot(a, slot)
    describe_slot(a, slot, own_pid())
    shares: u64 = a.n_shares
    copy_holds(a, slot, True)
    if a.fault or a.n_shares != shares:
        # The new slot is dead, and will be reaped.
        drop_child_lease(a)
        return False
    # Every buffer is protected twice now. This ends the lease of the shared slot.
    adopt_lease(a)
    a.slot = slot
    a.my_word = hold_word(slot)
    a.my_bit = hold_bit(slot)
    end_tally(a)
    a.sticky = False
    if a.lock_kind == LOCK_MUTEX:
        a.top_round = a.most_rounds = 0
        a.is_full = False
        a.magazine = own_magazine(a, slot)
    a.unsettled = MARKED_STILL
    end_marks(a, shares)
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_own_slot_if_possible(a: ArenaState) -> cython.bint:
    """`take_own_slot`, unless a thread of this process forks or attaches."""
    moved: cython.bint = False
    if keep_forks_out(a):
        try:
            moved = take_own_slot(a)
        finally:
            let_forks_in(a)
    return moved
