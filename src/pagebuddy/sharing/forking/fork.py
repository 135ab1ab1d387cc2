"""Forking: the parent makes the slot, the lease and the holds of its child before the fork.

So the child holds what its parent held, from its first instruction on; if it is killed before that, it
is a dead process like any other. The parent keeps the lock during the fork, so that the child copies an
attachment that is not in an operation. The child does not touch the mutex: a thread of the parent owns
it.

If there is no free slot, no lease or no lock, the child shares its parent's slot, which is *sticky* from
then on: its holds end only when a single process has it again. See `holding/shared_slot.py`.

An arena for one process, in memory that forked children also see, has no leases, so no process can tell
when a child ends: the buffers that are held at a fork are held by the slot CHILDREN for ever.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.words import H_HIGH_WATER, store, u64
    from pagebuddy.sharing.holding.magazine import empty_magazine
    from pagebuddy.sharing.holding.reaping import begin_slot, reap
    from pagebuddy.sharing.holding.shared_slot import (
        copy_holds,
        describe_slot,
        end_sharing,
        mark_objects,
        share_slot,
        take_free_slot,
        take_own_slot,
    )
    from pagebuddy.sharing.operations.enter import enter, leave
    from pagebuddy.sharing.recovery.takeover import take_over
    from pagebuddy.sharing.state import ArenaState, own_magazine, slot_at
    from pagebuddy.sharing.system.child import (
        adopt_lease,
        drop_child_lease,
        is_in_namespace,
        is_present,
        own_pid,
        renew_locks,
    )
    from pagebuddy.sharing.system.lock import unlock
    from pagebuddy.sharing.system.sharers import end_tally
    from pagebuddy.sharing.words import (
        A_BUSY,
        A_NAMESPACE_DEVICE,
        A_NAMESPACE_INODE,
        CHILDREN,
        DONE,
        FORK_PATIENCE_MS,
        LOCK_FOREIGN,
        LOCK_MUTEX,
        LOCK_NONE,
        LOCKED,
        OP_FORK,
        SLOT_PID,
        hold_bit,
        hold_word,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def enter_fork(a: ArenaState) -> u64:
    """`enter` before a fork, which waits long."""
    answer: u64 = enter(a, OP_FORK, 0)
    return enter(a, OP_FORK, FORK_PATIENCE_MS) if answer == LOCKED else answer


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def leave_to_children(a: ArenaState) -> cython.void:
    """Give the slot of all children a hold on every buffer, for ever."""
    if cython.compiled and a.base[A_BUSY]:
        # C code forks while another thread, which has the GIL, is in an operation: the only lock here.
        return
    if enter_fork(a) == DONE:
        begin_slot(a, CHILDREN)
        copy_holds(a, CHILDREN, False)
        leave(a)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def prepare_fork(a: ArenaState) -> cython.void:
    """Before a fork: make what the child needs, and keep the lock."""
    a.fork_slot = 0
    a.fork_locked = False
    if not is_present():
        # This is a raw clone: its child would otherwise pass for a child of the original process.
        a.lock_kind = LOCK_FOREIGN
        a.magazine = 0
    if a.lock_kind == LOCK_NONE and a.seen_by_children:
        leave_to_children(a)
    if a.lock_kind == LOCK_NONE or a.lock_kind == LOCK_FOREIGN or a.slot == 0:
        return
    if enter_fork(a) == DONE:
        a.fork_locked = True
        if a.unsettled:
            end_sharing(a)
        if a.sticky:
            take_own_slot(a)
        empty_magazine(a, a.slot)
        slot: u64 = take_free_slot(a)
        if slot == 0 and reap(a):
            slot = take_free_slot(a)
        if slot:
            begin_slot(a, slot)
            describe_slot(a, slot, 0)
            copy_holds(a, slot, False)
        elif a.unsettled == 0:
            mark_objects(a)
        if a.fault:
            a.fault = 0
            if take_over(a, a.words[H_HIGH_WATER], False) and slot:
                copy_holds(a, slot, False)
            a.fault = 0
        a.fork_slot = slot
        store(a.base, A_BUSY, 0)
    if a.fork_slot == 0:
        share_slot(a)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def resume_parent(a: ArenaState) -> cython.void:
    """After a fork, in the parent, also if it failed: release the child's lease, and the lock."""
    if a.fork_slot:
        drop_child_lease(a)
        a.fork_slot = 0
    if a.fork_locked:
        a.fork_locked = False
        unlock(a)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def begin_child(a: ArenaState) -> cython.void:
    """After a fork, in the child: use the slot that the parent made. Takes no lock, and no memory."""
    # A recording and its file belong to the parent, and so do its notes.
    a.recorded = 0
    a.n_told = a.n_noted
    if a.lock_kind == LOCK_NONE or (
        a.lock_kind == LOCK_MUTEX
        and not is_in_namespace(a.base[A_NAMESPACE_DEVICE], a.base[A_NAMESPACE_INODE])
    ):
        # The arena is for the parent only, or its mutex works by thread ids of another namespace.
        a.lock_kind = LOCK_FOREIGN
    a.fork_locked = False
    # The parent's other threads are not here; and no process uses the magazine of a shared slot.
    a.magazine = a.away = a.most_rounds = 0
    a.is_full = False
    renew_locks(a)
    if a.fork_slot:
        adopt_lease(a)
        a.slot = a.fork_slot
        a.my_word = hold_word(a.slot)
        a.my_bit = hold_bit(a.slot)
        end_tally(a)
        a.sticky = False
        a.fork_slot = 0
        a.magazine = own_magazine(a, a.slot)
        store(a.slots, slot_at(a.slot) + SLOT_PID, own_pid())
