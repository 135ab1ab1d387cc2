"""Changes of a ring, each made under its lock: lock, do, unlock, in one call."""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.core.words import store, u64
    from pagebuddy.messages.cells import (
        Message,
        bury,
        commit_message,
        count_rows,
        evict,
        find_dead,
        give_back_message,
        give_up_message,
        put_message,
        reserve_message,
        take_message,
    )
    from pagebuddy.messages.ring import Ring, lock_ring, set_guarded, unlock_ring
    from pagebuddy.messages.rows import count_task, is_whole_row, row_at
    from pagebuddy.messages.subscriptions import (
        count_missed,
        pass_message,
        read_message,
        subscribe,
        unsubscribe,
    )
    from pagebuddy.sharing.operations.unlock_on_error import unlock_on_error
    from pagebuddy.sharing.words import (
        DAMAGED,
        DONE,
        NOTHING_READY,
        R_CLOSED,
        RING_BURY,
        RING_CLOSE,
        RING_COMMIT,
        RING_COUNT,
        RING_EVICT,
        RING_FIND_DEAD,
        RING_GIVE_BACK,
        RING_GIVE_UP,
        RING_LEAVE,
        RING_MISSED,
        RING_PASS,
        RING_PUT,
        RING_READ,
        RING_RESERVE,
        RING_SUBSCRIBE,
        RING_TAKE,
        RING_TASK_DONE,
        RING_UNSUBSCRIBE,
        ROW_STATE,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_on_ring(a: Attachment, r: Ring, m: Message, what: u64) -> u64:
    """Call the function for a change of the ring. The caller has its lock."""
    if what == RING_PUT:
        return put_message(a, r, m)
    if what == RING_TAKE:
        return take_message(a, r, m)
    if what == RING_RESERVE:
        return reserve_message(a, r, m)
    if what == RING_COMMIT:
        return commit_message(a, r, m)
    if what == RING_GIVE_BACK:
        return give_back_message(a, r, m)
    if what == RING_GIVE_UP:
        return give_up_message(a, r, m)
    if what == RING_FIND_DEAD:
        return find_dead(a, r, m)
    if what == RING_BURY:
        return bury(r, m)
    if what == RING_TASK_DONE:
        if not is_whole_row(r, row_at(r, a.slot)):
            return DAMAGED
        return DONE if count_task(a, r, False) else NOTHING_READY
    if what == RING_COUNT:
        return count_rows(a, r, m)
    if what == RING_EVICT:
        return evict(a, r, m)
    if what == RING_SUBSCRIBE:
        return subscribe(a, r, m)
    if what == RING_UNSUBSCRIBE:
        return unsubscribe(a, r, m)
    if what == RING_READ:
        return read_message(a, r, m)
    if what == RING_PASS:
        return pass_message(a, r, m)
    if what == RING_MISSED:
        return count_missed(a, r, m)
    if what == RING_CLOSE:
        set_guarded(r, R_CLOSED, 1)
    elif what == RING_LEAVE:
        store(r.words, row_at(r, a.slot) + ROW_STATE, 0)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def run_on_ring(a: Attachment, r: Ring, m: Message, what: u64, milliseconds: u64) -> u64:
    """Change a ring under its lock; LOCKED if that is not free within the time."""
    answer: u64 = lock_ring(a, r, milliseconds)
    if answer != DONE:
        return answer
    answer = do_on_ring(a, r, m, what)
    unlock_ring(a, r)
    return answer


if not cython.compiled:
    run_on_ring = unlock_on_error(run_on_ring)
