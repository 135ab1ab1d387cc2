"""What every operation on an arena begins and ends with.

Between `enter` and `leave` there is no call into the interpreter, no memory allocation, and no release
or wait for the GIL: while the owner of the arena's lock waits, all other processes wait too.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.words import H_HIGH_WATER, store, u64
    from pagebuddy.sharing.holding.holds import end_hold
    from pagebuddy.sharing.holding.shared_slot import end_sharing_if_possible
    from pagebuddy.sharing.recording.recording import unlock_recorded
    from pagebuddy.sharing.recovery.takeover import take_over
    from pagebuddy.sharing.state import ArenaState, add_count
    from pagebuddy.sharing.system.child import is_present
    from pagebuddy.sharing.system.deferred import next_deferred
    from pagebuddy.sharing.system.lock import lock, mutex_mend, unlock
    from pagebuddy.sharing.words import (
        A_BUSY,
        A_LOCK_WAITS,
        A_POISONED,
        CORRUPT,
        DONE,
        FOREIGN,
        LOCK_MUTEX,
        OP_BUFFERS,
        OP_ENTRIES,
        OP_MEASURE,
        OP_RECORD,
        OP_VERIFY,
        OWNER_DIED,
        POISONED,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def is_allowed_when_poisoned(operation: u64) -> cython.bint:
    """Whether an operation changes only the free lists, so a poisoned arena still allows it."""
    return operation in (OP_MEASURE, OP_BUFFERS, OP_ENTRIES, OP_VERIFY, OP_RECORD)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def enter_inherited(a: ArenaState, answer: u64, operation: u64) -> u64:
    """The rest of `enter`, with the lock, if a process died at work or the arena is poisoned."""
    sound: cython.bint = a.base[A_POISONED] == 0
    if sound and a.base[A_BUSY]:
        # Slot 0: the first to attach set it, because the machine may have lost power before.
        sound = take_over(a, a.words[H_HIGH_WATER], a.base[A_BUSY] >> 32 == 1)
        store(a.base, A_BUSY, 0)
    if answer == OWNER_DIED and a.lock_kind == LOCK_MUTEX:
        # Also if the arena is poisoned: otherwise no process could read it any more.
        mutex_mend(a.base)
    if not sound:
        a.fault = 0
        if not is_allowed_when_poisoned(operation):
            unlock(a)
            return POISONED
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def end_deferred(a: ArenaState) -> cython.void:
    """End the holds that could not be ended when their objects were destroyed."""
    node: u64 = next_deferred(a)
    while node:
        end_hold(a, node)
        node = next_deferred(a)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def enter(a: ArenaState, operation: u64, milliseconds: u64) -> u64:
    """Begin an operation: DONE, with the lock taken, or the reason why not.

    Only a caller for whom the lock was taken before gives more than 0 ms: that is counted as a wait.
    """
    if not is_present():
        return FOREIGN
    answer: u64 = lock(a, milliseconds)
    if answer != DONE and answer != OWNER_DIED:
        return answer
    if milliseconds:
        add_count(a, A_LOCK_WAITS, 1)
    if answer or a.base[A_BUSY] or a.base[A_POISONED]:
        answer = enter_inherited(a, answer, operation)
        if answer:
            return answer
    store(a.base, A_BUSY, (a.slot + 1) << 32 | operation)
    if a.deferred:
        end_deferred(a)
    if a.unsettled:
        end_sharing_if_possible(a)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def leave_mended(a: ArenaState) -> u64:
    """`leave` if the engine noted a fault: rebuild all derived state."""
    a.seen_fault = a.fault
    a.seen_node = a.fault_node
    sound: cython.bint = take_over(a, a.words[H_HIGH_WATER], False)
    a.fault = 0
    store(a.base, A_BUSY, 0)
    unlock(a)
    return CORRUPT if sound else POISONED


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def leave_slowly(a: ArenaState) -> u64:
    """`leave` if there is more to do than to release the lock."""
    if a.deferred:
        end_deferred(a)
    if a.fault:
        return leave_mended(a)
    store(a.base, A_BUSY, 0)
    if a.recorded:
        unlock_recorded(a)
    else:
        unlock(a)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def leave(a: ArenaState) -> u64:
    """End an operation: DONE, or the reason why its result is not valid."""
    if a.deferred:
        return leave_slowly(a)
    if a.fault or a.recorded:
        return leave_slowly(a)
    store(a.base, A_BUSY, 0)
    unlock(a)
    return DONE
