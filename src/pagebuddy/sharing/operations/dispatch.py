"""Whole operations: enter, do, leave. The arena's lock is taken and released within one call."""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.granules import has_groups
    from pagebuddy.core.words import FIRST_NODE, store, u64
    from pagebuddy.sharing.holding.holds import end_hold, is_held_by_me_alone
    from pagebuddy.sharing.holding.magazine import draw, make_room
    from pagebuddy.sharing.holding.reaping import begin_slot, end_slot, reap
    from pagebuddy.sharing.holding.references import do_end_refs, do_hold_refs, do_send_refs
    from pagebuddy.sharing.holding.shared_slot import take_own_slot_if_possible
    from pagebuddy.sharing.holding.tickets import (
        do_claim,
        do_reap_tickets,
        do_send,
        do_withdraw,
        expire_tickets,
        restamp_tickets,
    )
    from pagebuddy.sharing.operations.buffers import (
        answer_without_pages,
        do_alloc,
        do_find,
        do_forget,
        do_join,
        do_keep,
        do_list_buffers,
        do_list_entries,
        do_look_up,
        do_measure,
        do_record,
        do_resize,
        do_take_free,
        do_unkeep,
        make_buffer,
    )
    from pagebuddy.sharing.operations.enter import enter, leave
    from pagebuddy.sharing.operations.unlock_on_error import unlock_on_error
    from pagebuddy.sharing.recovery.proof import prove_arena
    from pagebuddy.sharing.recovery.takeover import take_over
    from pagebuddy.sharing.request import Request
    from pagebuddy.sharing.state import ArenaState
    from pagebuddy.sharing.system.deferred import defer
    from pagebuddy.sharing.system.lock import mutex_made_again
    from pagebuddy.sharing.words import (
        A_BOOTS,
        A_TOUCHED,
        DONE,
        LOCK_MUTEX,
        NO_PAGES,
        OP_ALLOC,
        OP_ATTACH,
        OP_BUFFERS,
        OP_CLAIM,
        OP_DETACH,
        OP_DROP,
        OP_END_REFS,
        OP_ENTRIES,
        OP_FIND,
        OP_FORGET,
        OP_HOLD_REFS,
        OP_JOIN,
        OP_KEEP,
        OP_LOOK_UP,
        OP_MEASURE,
        OP_OPEN_RING,
        OP_REAP,
        OP_REAP_TICKETS,
        OP_RECORD,
        OP_REPAIR,
        OP_RESIZE,
        OP_SEND,
        OP_SEND_REFS,
        OP_TAKE_FREE,
        OP_UNKEEP,
        OP_VERIFY,
        OP_WITHDRAW,
        R_BOOT,
        R_BUSY,
        UNLOCKABLE,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_attach(a: ArenaState, r: Request) -> u64:
    """Take `slot`, whose lease this process has, after reaping the dead; NO_PAGES if it is taken."""
    reap(a)
    restamp_tickets(a, r.now_ms)
    expire_tickets(a)
    return DONE if begin_slot(a, r.slot) else NO_PAGES


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_verify(a: ArenaState, r: Request) -> u64:
    """Check every invariant; sets `fault` and `node`, and repairs nothing."""
    prove_arena(a)
    r.fault = a.fault
    r.node = a.fault_node
    a.fault = 0
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_repair(a: ArenaState, r: Request) -> u64:
    """Rebuild all derived state, as after a death, trusting only the source of truth."""
    # The high water may be wrong. `A_TOUCHED` is never less than a correct one, and may be more.
    high: u64 = a.base[A_TOUCHED] if a.base[A_TOUCHED] < a.n_nodes else a.n_nodes
    if a.sparse and high > FIRST_NODE and not has_groups(a, high - FIRST_NODE):
        r.missing = a.fault_node
        return answer_without_pages(a)
    take_over(a, high, True)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_open_ring(a: ArenaState, r: Request) -> u64:
    """Make a ring's mutex if it is new, or if all processes ended since the last one was made.

    Until `R_BOOT` is stored, nobody but the process in this operation uses the ring.
    """
    boot: u64 = a.base[A_BOOTS] + 1
    if r.ring[R_BOOT] != boot:
        if a.lock_kind == LOCK_MUTEX and not mutex_made_again(r.ring):
            return UNLOCKABLE
        store(r.ring, R_BUSY, 1)
        store(r.ring, R_BOOT, boot)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def dispatch(a: ArenaState, r: Request, operation: u64) -> u64:
    """Call the function of an operation. The caller has the lock."""
    if operation == OP_ALLOC:
        return do_alloc(a, r)
    if operation == OP_DROP:
        end_hold(a, r.node)
    elif operation == OP_JOIN:
        return do_join(a, r)
    elif operation == OP_FIND:
        return do_find(a, r)
    elif operation == OP_LOOK_UP:
        return do_look_up(a, r)
    elif operation == OP_KEEP:
        return do_keep(a, r)
    elif operation == OP_UNKEEP:
        return do_unkeep(a, r)
    elif operation == OP_FORGET:
        return do_forget(a, r)
    elif operation == OP_RESIZE:
        return do_resize(a, r)
    elif operation == OP_TAKE_FREE:
        return do_take_free(a, r)
    elif operation == OP_MEASURE:
        return do_measure(a, r)
    elif operation == OP_BUFFERS:
        return do_list_buffers(a, r)
    elif operation == OP_ENTRIES:
        return do_list_entries(a, r)
    elif operation == OP_VERIFY:
        return do_verify(a, r)
    elif operation == OP_ATTACH:
        return do_attach(a, r)
    elif operation == OP_DETACH:
        if not a.sticky:
            end_slot(a, a.slot)
    elif operation == OP_REAP:
        r.n_ended = reap(a)
        if a.sticky and take_own_slot_if_possible(a):
            # It may have been the last process of the slot.
            r.n_ended += reap(a)
        expire_tickets(a)
    elif operation == OP_SEND:
        return do_send(a, r)
    elif operation == OP_CLAIM:
        return do_claim(a, r)
    elif operation == OP_WITHDRAW:
        return do_withdraw(a, r)
    elif operation == OP_REAP_TICKETS:
        return do_reap_tickets(a, r)
    elif operation == OP_SEND_REFS:
        return do_send_refs(a, r)
    elif operation == OP_HOLD_REFS:
        return do_hold_refs(a, r)
    elif operation == OP_END_REFS:
        return do_end_refs(a, r)
    elif operation == OP_OPEN_RING:
        return do_open_ring(a, r)
    elif operation == OP_RECORD:
        return do_record(a, r)
    elif operation == OP_REPAIR:
        return do_repair(a, r)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def run_operation(a: ArenaState, r: Request, operation: u64, milliseconds: u64) -> u64:
    """Carry out an operation; LOCKED if the lock is not free within that time."""
    answer: u64 = enter(a, operation, milliseconds)
    if answer:
        return answer
    answer = dispatch(a, r, operation)
    left: u64 = leave(a)
    return left if left else answer


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def alloc_pages(a: ArenaState, n: u64, n_bytes: u64) -> u64:
    """Allocate without waiting: a new buffer's node, or an answer. The caller has the GIL."""
    if a.readonly:
        return NO_PAGES
    node: u64 = draw(a, n)
    if node:
        if is_held_by_me_alone(a, node):
            return node
        # Another process joined it just then.
        defer(a, node)
    node = enter(a, OP_ALLOC, 0)
    if node == DONE:
        node = make_buffer(a, n, n_bytes, 1)
        left: u64 = leave(a)
        if left:
            return left
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def drop_pages(a: ArenaState, node: u64, milliseconds: u64) -> u64:
    """End the hold of one local object."""
    answer: u64 = enter(a, OP_DROP, milliseconds)
    if answer == DONE:
        end_hold(a, node)
        if a.is_full:
            make_room(a)
        return leave(a)
    return answer


if not cython.compiled:
    run_operation = unlock_on_error(run_operation)
    alloc_pages = unlock_on_error(alloc_pages)
    drop_pages = unlock_on_error(drop_pages)
