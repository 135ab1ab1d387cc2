"""Plans of slots: attach, fork, detach, end the sharing of a slot, and reap slots of dead processes."""

from __future__ import annotations

from collections.abc import Sequence

from verification.sharing_model.flaws import Flaw
from verification.sharing_model.plans.steps import (
    BUSY,
    DONE,
    END,
    REFUSED,
    UNLOCK,
    UNLOCK_EARLY,
    losing,
)
from verification.sharing_model.state import FREE, LIVE, NO_SLOT, Operation, Process, State
from verification.sharing_model.words import Step, Words


def free_slot_of(state: State, flaw: Flaw | None) -> int | None:
    """Return a free slot whose lease is available. A lease can end a little later than its slot."""
    for slot, (word, lease) in enumerate(zip(state.slots, state.leases, strict=True)):
        if word == FREE and (not lease or flaw is Flaw.LEASE_IGNORED):
            return slot
    return None


def attach(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Get a slot: its lease first, then its state, which is the commit."""
    slot = free_slot_of(state, flaw)
    if slot is None:
        return REFUSED
    steps = [BUSY, Step("leases", slot, 1 << i), Step("slots", slot, LIVE)]
    if flaw is Flaw.CHILD_REGISTERS_ITSELF:
        holds = state.words.holds
        steps += [
            Step("holds", view.buffer.page, holds[view.buffer.page] | 1 << slot)
            for view in state.processes[i].views
        ]
    return [*steps, Step("mine", slot), DONE, UNLOCK]


def fork(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Give the child a lease, a slot and holds, then fork under the lock; or share a sticky slot."""
    child, mine = operation.first, state.processes[i].slot
    if mine == NO_SLOT or flaw is Flaw.CHILD_REGISTERS_ITSELF:
        return [Step("fork", NO_SLOT, child), UNLOCK]  # another thread may have detached
    if state.words.magazines[mine] and operation.second is None:
        again = Operation("fork", child, "the magazine was emptied")
        return [BUSY, Step("take_round", mine, flaw), Step("plan_again", value=again)]
    slot = free_slot_of(state, flaw)
    if slot is None:
        if flaw is Flaw.SHARE_SLOT_NOT_STICKY:
            return [Step("fork", mine, child), UNLOCK]
        return [BUSY, Step("sticky", mine, 1), DONE, Step("fork", mine, child), UNLOCK]
    live = [Step("slots", slot, LIVE)]
    bits = [
        Step("holds", page, hold | 1 << slot)
        for page, hold in enumerate(state.words.holds)
        if hold >> mine & 1
    ]
    gained = bits + live if flaw is Flaw.BITS_BEFORE_SLOT else live + bits
    steps = [BUSY, Step("leases", slot, 1 << i), *gained, DONE]
    split, let_go = Step("fork", slot, child), Step("end_lease", slot, i)
    if flaw is Flaw.FORK_UNLOCKED:
        return [*steps, UNLOCK_EARLY, split, let_go, END]
    if flaw is Flaw.UNLEASE_BEFORE_FORK:
        return [*steps, let_go, split, UNLOCK]
    return [*steps, split, let_go, UNLOCK]


def emptied(words: Words, slots: Sequence[int], flaw: Flaw | None) -> list[Step]:
    """Return the stores that empty the magazines of some slots and end their holds, buffer by buffer."""
    bits = sum(1 << slot for slot in slots)
    steps: list[Step] = []
    for slot in slots:
        if words.magazines[slot] and flaw is not Flaw.REAP_LEAVES_ROUNDS:
            steps.append(Step("magazines", slot, None))
    for page, record in enumerate(words.records):
        # The engine's reap walks live buffers only. That is the same, except with this flaw.
        passed_over = flaw is Flaw.ALLOC_ADDS_HOLD and not record
        if words.holds[page] & bits and not passed_over:
            steps += losing(words, page, bits)
    return steps


def detach(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Give the slot back without its holds, release the lock, then end the lease.

    The slot may have holds without a view: a child inherits holds for objects that only another thread
    of its parent had. A shared slot stays until all processes that share it are gone.
    """
    mine = state.processes[i].slot
    left, end_lease = Step("mine", NO_SLOT), Step("end_lease", mine, i)
    if state.sticky[mine] and flaw is not Flaw.DETACH_FREES_STICKY:
        return [left, UNLOCK_EARLY, end_lease, END]
    if flaw is Flaw.DETACH_LEASE_FIRST:
        return [left, end_lease, Step("pause", value=Operation("free_slot", mine))]
    lost = [] if flaw is Flaw.DETACH_LEAVES_HOLDS else emptied(state.words, [mine], flaw)
    return [BUSY, *lost, left, Step("slots", mine, FREE), DONE, UNLOCK_EARLY, end_lease, END]


def pages_used_by(me: Process) -> set[int]:
    """Return the pages of a process's views, and of what its other thread is about to drop."""
    used = {view.buffer.page for view in me.views}
    if me.other and me.other.operation and me.other.operation.name == "drop":
        used.add(me.other.operation.first.page)
    return used


def leave_slot(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Take a free slot instead of a shared one: its lease, its state, the holds; then the old lease."""
    me = state.processes[i]
    slot = free_slot_of(state, flaw)
    if slot is None or not state.sticky[me.slot]:
        return REFUSED
    used = pages_used_by(me)
    bits = [
        Step("holds", page, hold | 1 << slot)
        for page, hold in enumerate(state.words.holds)
        if hold >> me.slot & 1 and page in used
    ]
    taken = [Step("leases", slot, 1 << i), Step("slots", slot, LIVE)]
    left = [Step("mine", slot), Step("end_lease", me.slot, i)]
    if flaw is Flaw.LEAVE_BEFORE_HOLDS:
        return [BUSY, *taken, *left, *bits, DONE, UNLOCK]
    return [BUSY, *taken, *bits, *left, DONE, UNLOCK]


def unshare(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """End the sharing of a slot that no other process has any more: first the holds without an object.

    The engine notes for each process which buffers it has objects for. Here those are its views, and
    what its other thread is about to drop. In the engine this is a part of each operation.
    """
    me = state.processes[i]
    alone = state.leases[me.slot] == 1 << i or flaw is Flaw.UNSHARE_EARLY
    if not state.sticky[me.slot] or not alone:
        return REFUSED
    if state.words.magazines[me.slot] and operation.first is None:
        # Another thread of the process that forked may have loaded it meanwhile.
        again = Operation("unshare", "the magazine was emptied")
        return [BUSY, Step("take_round", me.slot, flaw), Step("plan_again", value=again)]
    used = pages_used_by(me)
    lost: list[Step] = []
    for page, hold in enumerate(state.words.holds):
        if hold >> me.slot & 1 and state.words.records[page] and page not in used:
            lost += losing(state.words, page, 1 << me.slot)
    return [BUSY, *lost, Step("sticky", me.slot, 0), DONE, UNLOCK]


def free_slot(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Free a slot whose lease has ended already; used only by a flaw."""
    return [BUSY, Step("slots", operation.first, FREE), DONE, UNLOCK]


def reap(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """End the holds of all dead slots, buffer by buffer, then free the slots. Stores can be repeated."""
    dead = state.dead_slots()
    if not dead:
        return REFUSED
    freed = []
    for slot in dead:
        if state.sticky[slot]:
            freed.append(Step("sticky", slot, 0))
        freed.append(Step("slots", slot, FREE))
    lost = emptied(state.words, dead, flaw)
    if flaw is Flaw.FREE_SLOT_FIRST:
        return [BUSY, *freed, *lost, DONE, UNLOCK]
    return [BUSY, *lost, *freed, DONE, UNLOCK]


def reap_page(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Reap one slot and release the lock after each page; used only by flaws."""
    words, slot, page = state.words, operation.first, operation.second
    gone = state.slots[slot] != LIVE or state.leases[slot]
    if flaw is Flaw.CHUNKED_RECHECK and gone:
        return REFUSED
    if page == len(words.records):
        return [BUSY, Step("slots", slot, FREE), DONE, UNLOCK]
    rest = Operation("reap_page", slot, page + 1)
    return [BUSY, *losing(words, page, 1 << slot), DONE, Step("pause", value=rest)]
