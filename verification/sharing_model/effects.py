"""The effects of a plan's steps: stores to shared words and changes of other state. Used by `moves`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.sharing_model import magazines
from verification.sharing_model.flaws import Flaw
from verification.sharing_model.plans import plan_of
from verification.sharing_model.state import (
    ALIVE,
    LIVE,
    UNLOCKED,
    Kept,
    Marks,
    Operation,
    Process,
    State,
    Violation,
    views_changed,
)
from verification.sharing_model.words import TIED, Handle, Sender, Step, Words, put

if TYPE_CHECKING:
    from collections.abc import Callable

PLAN = Step("plan")
"""The first step under the lock: plan the operation, now that the words are sound."""

UNSEEN = {
    "plan",
    "plan_again",
    "next_incarnation",
    "view",
    "claimed",
    "refused",
    "handle",
    "withdrawn",
    "ended",
    "kept",
    "unkept",
    "missing",
    "resized",
    "trimmed",
    "told",
    "put_back",
    "left_behind",
    "group_ended",
    "untied",
    "all_untied",
}
"""Steps that no other process can observe. Each is done together with the store before it."""

TRIMMING = ("return_memory", "drop_piece", "end_trim")
"""The operations of a process that has a piece."""

WORDS = frozenset(Words._fields)


def perform(state: State, i: int, flaw: Flaw | None) -> State:
    """Return the state after the next step of process `i`'s plan.

    Raises `Violation` if the step hands out a page in use, makes a view of a page that now belongs to
    another buffer, or claims a handle twice.
    """
    process = state.processes[i]
    step = process.plan[0]
    state = state.with_process(i, process._replace(plan=process.plan[1:]))
    if step.what == "draw" and flaw is Flaw.DRAW_LOOKS_ONCE:
        step = step._replace(what="draw_at_once")
    if step.what == "slots" and flaw is Flaw.SLOT_KEEPS_MARKS:
        step = step._replace(what="slots_and_marks")
    if step.what == "plan_again":
        process = process._replace(operation=step.value)
        state = state.with_process(i, process)
    if step.what in ("plan", "plan_again"):
        planned = process._replace(plan=plan_of(state, i, flaw))
        return state.with_process(i, planned)
    if step.what in WORDS:
        return state._replace(words=state.words.after(step))
    return EFFECTS[step.what](state, i, step)


def store_busy(state: State, i: int, step: Step) -> State:
    return state._replace(busy=step.value)


def store_slot(state: State, i: int, step: Step) -> State:
    """Store the state of a slot. A new process in it has no trims, and another generation."""
    if state.marks:
        state = state._replace(marks=put(state.marks, step.at, Marks()))
    return store_slot_alone(state, i, step)


def store_slot_alone(state: State, i: int, step: Step) -> State:
    if state.generations and step.value == LIVE:
        generation = state.generations[step.at] + 1
        state = state._replace(generations=put(state.generations, step.at, generation))
    return state._replace(slots=put(state.slots, step.at, step.value))


def store_marks(state: State, i: int, step: Step) -> State:
    return state._replace(marks=put(state.marks, step.at, step.value))


def store_sticky(state: State, i: int, step: Step) -> State:
    return state._replace(sticky=put(state.sticky, step.at, step.value))


def take_lease(state: State, i: int, step: Step) -> State:
    if state.leases[step.at]:
        raise Violation("a process takes a lease that another process has")
    return state._replace(leases=put(state.leases, step.at, step.value))


def end_lease(state: State, i: int, step: Step) -> State:
    left = state.leases[step.at] & ~(1 << step.value)
    return state._replace(leases=put(state.leases, step.at, left))


def take_page(state: State, i: int, step: Step) -> State:
    """Unlink a page from the free lists. Check that no view, ticket or directory entry uses it."""
    page = step.at
    for process in state.processes:
        if process.life == ALIVE and any(view.buffer.has(page) for view in process.views):
            raise Violation("page handed out while a living process has a view")
    if any(ticket and ticket.buffer.has(page) for ticket in state.words.tickets):
        raise Violation("page handed out while ticketed")
    if any(entry.number and entry.buffer.has(page) for entry in state.words.directory):
        raise Violation("page handed out while kept")
    return state._replace(words=state.words.after(Step("listed", page, 0)))


def count_incarnation(state: State, i: int, step: Step) -> State:
    return state._replace(next_incarnation=state.next_incarnation + 1)


def count_serial(state: State, i: int, step: Step) -> State:
    return state._replace(next_serial=state.next_serial + 1)


def hand_out(state: State, i: int, step: Step) -> State:
    handle = Handle(step.at, step.value)
    return state._replace(handles=tuple(sorted((*state.handles, handle))))


def note_claim(state: State, i: int, step: Step) -> State:
    """Count a claim. A handle that can be claimed any number of times is not counted."""
    if step.at == 0:
        return state
    if state.claimed.count(step.value) >= step.at:
        raise Violation("handle claimed twice" if step.at == 1 else "handle claimed too often")
    return state._replace(claimed=tuple(sorted((*state.claimed, step.value))))


def note_refusal(state: State, i: int, step: Step) -> State:
    """Check that no claims were left. A process that died may have used one without a view.

    Not checked for handles of one receiver.
    """
    used = state.claimed.count(step.value) + state.deaths
    if (step.at > 1 and used < step.at) or (step.at == 0 and step.value not in state.claimed):
        raise Violation("a claim is refused although claims are left")
    return state


def note_withdrawal(state: State, i: int, step: Step) -> State:
    standing = state.words.tickets[step.at]
    if standing is None or not standing.same(step.value):
        raise Violation("the wrong ticket is withdrawn")
    return state


def note_end(state: State, i: int, step: Step) -> State:
    """Count all claims that were left of a ticket of several receivers as used."""
    tickets = [handle.ticket for handle in state.handles if handle.ticket.serial == step.value]
    if not tickets or tickets[0].left == 1:
        return state
    used = (step.value,) * max(step.at, 1)
    return state._replace(claimed=tuple(sorted((*state.claimed, *used))))


def note_kept(state: State, i: int, step: Step) -> State:
    new = Kept(step.at, step.value.page, step.value.incarnation)
    left = [old for old in state.kept if not (old.key == new.key != 0 or old[1:] == new[1:])]
    return state._replace(kept=tuple(sorted((*left, new))))


def note_unkept(state: State, i: int, step: Step) -> State:
    left = tuple(old for old in state.kept if old[1:] != step.value[:2])
    return state._replace(kept=left)


def note_missing(state: State, i: int, step: Step) -> State:
    if any(kept.key == step.at for kept in state.kept):
        raise Violation("a kept buffer is not found by its key")
    return state


def gain_view(state: State, i: int, step: Step) -> State:
    if not state.words.live(step.value):
        raise Violation("view of a page that belongs to another block by now")
    process = state.processes[i]
    views = views_changed(process.views, step.value, 1)
    return state.with_process(i, process._replace(views=views))


def count_trim(state: State, i: int, step: Step) -> State:
    return state._replace(trims=state.trims + 1)


def note_told(state: State, i: int, step: Step) -> State:
    """An allocation failed. Check that every living process with a piece will notice."""
    for process in state.processes:
        trims = process.life == ALIVE and process.operation and process.operation.name in TRIMMING
        if trims and not state.marks[process.slot].wanted:
            raise Violation("an allocation failed beside a trim that is not told")
    return state


def return_memory(state: State, i: int, step: Step) -> State:
    """Return a piece's memory to the system, and drop its only view."""
    piece, me = step.value, state.processes[i]
    for process in state.processes:
        for buffer, _ in process.views if process.life == ALIVE else ():
            if buffer.has(piece.page) and not buffer.same(piece):
                raise Violation("the memory of a buffer in use is returned to the system")
    views = tuple(view for view in me.views if not view.buffer.same(piece))
    return state.with_process(
        i, me._replace(views=views, plan=(), operation=Operation("drop_piece", piece))
    )


def note_put_back(state: State, i: int, step: Step) -> State:
    piece, mine = step.value, 1 << state.processes[i].slot
    if state.words.live(piece) and state.words.holds[piece.page] & mine:
        raise Violation("a trim leaves its piece allocated")
    return state


def note_left_behind(state: State, i: int, step: Step) -> State:
    sender = step.value.sender
    if not sender.group:
        raise Violation("a ticket ends with a group that it is not in")
    if is_there(state, sender):
        raise Violation("a ticket of a living process ends as if it was left behind")
    return state


def is_there(state: State, sender: Sender) -> bool:
    """Return whether the sender of a ticket lives and has the slot in which it sent it."""
    process = state.processes[sender.process]
    return process.life == ALIVE and process.slot == sender.slot


def note_untied(state: State, i: int, step: Step) -> State:
    if is_there(state, step.value.sender):
        raise Violation("a ticket of a living process is not tied any more")
    return state


def note_all_untied(state: State, i: int, step: Step) -> State:
    """Check that no ticket is tied of those whose senders had ended when this operation began."""
    for ticket in state.words.tickets:
        if ticket and ticket.life == TIED and ticket.serial in step.value:
            raise Violation("a ticket stays tied to a process that has ended")
    return state


def note_group_ended(state: State, i: int, step: Step) -> State:
    """Check that no ticket is left of those whose senders had ended when this operation began."""
    if any(ticket and ticket.serial in step.value for ticket in state.words.tickets):
        raise Violation("a ticket that an ended process left behind stays")
    return state


def resize_view(state: State, i: int, step: Step) -> State:
    (old, new), process = step.value, state.processes[i]
    views = views_changed(views_changed(process.views, old, -1), new, 1)
    return state.with_process(i, process._replace(views=views))


def gain_slot(state: State, i: int, step: Step) -> State:
    return state.with_process(i, state.processes[i]._replace(slot=step.at))


def split_process(state: State, i: int, step: Step) -> State:
    """Fork: the child gets all views, and the lease of its slot if the parent has mapped it."""
    slot, child = step.at, step.value
    state = state.with_process(child, Process(ALIVE, slot, state.processes[i].views))
    if slot >= 0 and state.leases[slot] >> i & 1:
        lease = state.leases[slot] | 1 << child
        return state._replace(leases=put(state.leases, slot, lease))
    return state


def end(state: State, i: int, step: Step) -> State:
    return state.with_process(i, state.processes[i]._replace(plan=(), operation=None))


def unlock_early(state: State, i: int, step: Step) -> State:
    return state._replace(lock=UNLOCKED)


def unlock(state: State, i: int, step: Step) -> State:
    return end(unlock_early(state, i, step), i, step)


def pause(state: State, i: int, step: Step) -> State:
    """Release the lock, to do the rest of the operation later."""
    process = state.processes[i]._replace(plan=(), operation=step.value)
    return unlock_early(state, i, step).with_process(i, process)


EFFECTS: dict[str, Callable[[State, int, Step], State]] = {
    "busy": store_busy,
    "slots": store_slot,
    "slots_and_marks": store_slot_alone,
    "marks": store_marks,
    "sticky": store_sticky,
    "leases": take_lease,
    "end_lease": end_lease,
    "take": take_page,
    "next_incarnation": count_incarnation,
    "next_serial": count_serial,
    "handle": hand_out,
    "claimed": note_claim,
    "refused": note_refusal,
    "withdrawn": note_withdrawal,
    "ended": note_end,
    "kept": note_kept,
    "unkept": note_unkept,
    "missing": note_missing,
    "resized": resize_view,
    "view": gain_view,
    "trimmed": count_trim,
    "told": note_told,
    "put_back": note_put_back,
    "left_behind": note_left_behind,
    "group_ended": note_group_ended,
    "untied": note_untied,
    "all_untied": note_all_untied,
    "mine": gain_slot,
    "fork": split_process,
    "unlock": unlock,
    "unlock_early": unlock_early,
    "pause": pause,
    "end": end,
    **magazines.EFFECTS,
}
