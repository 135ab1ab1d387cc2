"""What one action stores, in order; and the stores that several actions share.

An action with the ring's lock is one move: nobody else changes those words meanwhile, except that a
consumer may finish a message, which is seen before or after the action. But the process may be killed
before each store, so a plan keeps every state in between. Used by `actions` and `checks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from verification.ring_model.flaws import Flaw
from verification.ring_model.state import (
    DONE,
    READY,
    TAKEN,
    VOID,
    WRITING,
    Code,
    Process,
    Reference,
    Seen,
    State,
)

if TYPE_CHECKING:
    from verification.ring_model.configuration import Configuration

FINISHED = (DONE, VOID)
OWNED = (WRITING, TAKEN)


class Action(NamedTuple):
    """What a process does next, and every state in which it may be killed meanwhile."""

    name: str
    states: list[State]
    """The state before each store, and the last."""
    locked: bool
    """Whether a kill leaves the ring busy."""


class Plan:
    """Collects the states that one action goes through."""

    def __init__(self, state: State, i: int, *, locked: bool, configuration: Configuration) -> None:
        self.i = i
        self.me = state.processes[i]
        self.locked = locked
        self.flaw = configuration.flaw
        self.fine = configuration.fine
        self.states = [state]
        if locked and state.busy and self.flaw is not Flaw.BUSY_IGNORED:
            repair(self)

    @property
    def state(self) -> State:
        """The state after the stores so far."""
        return self.states[-1]

    def store(self, what: str, at: int, value: Any) -> None:
        """Add a store to a shared word."""
        self.states.append(self.state.after(what, at, value))

    def note(self, what: str, at: int, value: Any) -> None:
        """Change what nobody can see, together with the store before."""
        self.states[-1] = self.state.after(what, at, value)

    def ends(self, name: str, process: Process) -> Action:
        """Return the action: after the last store the process is ready for its next one."""
        last = self.state
        if not self.fine and not last.closed and any(wake.stage == 0 for wake in process.wakes):
            # Whoever looked before the action has set the flag; whoever looks later finds its result.
            wakes = tuple(
                wake
                for wake in process.wakes
                if wake.stage or wake.forced or last.flags[wake.futex]
            )
            process = process._replace(wakes=wakes)
        last = last.with_process(self.i, process)
        if self.locked:
            last = last._replace(busy=0)
        return Action(name, [*self.states, last], self.locked)

    def code(self, code: int) -> Code:
        """Return a word that says that I own a message, or that nobody does."""
        return Code(code, self.i, 1) if code in OWNED else Code(code)


def repair(plan: Plan) -> None:
    """Repair what a process that died with the lock left behind."""
    state, cells = plan.state, len(plan.state.codes)
    head, tail = state.head, state.tail
    while plan.flaw is not Flaw.REPAIR_LEAVES_HEAD and head - min(tail, state.tail_again) < cells:
        cell = head % cells
        if state.numbers[cell] != head or state.codes[cell].code not in (WRITING, READY):
            break
        head += 1
    plan.store("head", 0, head)
    plan.store("head_again", 0, head)
    if not 0 <= head - tail <= cells:
        tail = state.tail_again
    plan.store("tail", 0, tail)
    plan.store("tail_again", 0, tail)
    if plan.flaw is not Flaw.REPAIR_LEAVES_NEXT:
        plan.store("next", 0, tail)
    codes = [state.codes[n % cells].code for n in range(tail, head)]
    plan.store("pending", 0, codes.count(WRITING) + codes.count(READY))
    plan.store("ready", 0, codes.count(READY))
    plan.store("flags", 0, 1)
    plan.store("flags", 1, 1)


def advance(plan: Plan) -> None:
    """Raise tail over messages that are done. In a topic, count them at those who did not read them."""
    passed = (*FINISHED, TAKEN) if plan.flaw is Flaw.TAIL_OVER_TAKEN else FINISHED
    cells = len(plan.state.codes)
    while (tail := plan.state.tail) < plan.state.head:
        code = plan.state.codes[tail % cells].code
        if code not in passed:
            return
        for r, row in enumerate(plan.state.rows):
            if row and row.next == tail:
                pass_over(plan, r, missed=code != VOID)
        plan.store("tail", 0, tail + 1)
        plan.store("tail_again", 0, tail + 1)


def pass_over(plan: Plan, r: int, *, missed: bool) -> None:
    """Raise a subscription's next by one. The count that belongs to the new next is stored before."""
    row = plan.state.rows[r]
    assert row is not None
    if plan.flaw is Flaw.VOID_IS_MISSED:
        missed = True
    following = row.next + 1
    count = row.missed[row.next & 1] + missed
    counts = (count, row.missed[1]) if following & 1 == 0 else (row.missed[0], count)
    if plan.flaw is Flaw.NEXT_BEFORE_MISSED:
        stale = (row.missed[row.next & 1],) * 2
        plan.store("rows", r, row._replace(next=following, missed=stale))
    else:
        plan.store("rows", r, row._replace(missed=counts))
    plan.store("rows", r, row._replace(next=following, missed=counts))


def has_ended(state: State, owner: Code, flaw: Flaw | None) -> bool:
    """Return whether a slot is free, has another generation, or has no lease."""
    generation = state.slots[owner.slot]
    if generation <= 0:
        return True
    if generation != owner.generation and flaw is not Flaw.GENERATION_IGNORED:
        return True
    # A process of a later generation lives: newcomers are not killed.
    return generation == 1 and state.processes[owner.slot].at == "dead"


def left_by_the_dead(state: State, flaw: Flaw | None) -> Seen | None:
    """Return the first message that a dead process was writing or had taken, or None."""
    cells = len(state.codes)
    for number in range(state.tail, state.head):
        seen = seen_at(state, number % cells)
        if seen.code.code in OWNED and has_ended(state, seen.code, flaw):
            return seen
    return None


def seen_at(state: State, cell: int) -> Seen:
    """Return what a process copies of a cell."""
    return Seen(
        state.numbers[cell], state.codes[cell], state.messages[cell], state.references[cell]
    )


def has_producers(state: State) -> bool:
    """Return whether a living process put something and did not close the queue, or none ever put."""
    rows = enumerate(state.producing)
    living = any(row and not has_ended(state, Code(WRITING, i, 1), None) for i, row in rows)
    return living or state.head == 0


def withdraw(plan: Plan, references: tuple[Reference, ...]) -> None:
    """End those of the tickets that still have their serials."""
    for entry, serial in references:
        ticket = plan.state.tickets[entry]
        if ticket and ticket.serial == serial:
            plan.store("tickets", entry, None)


def has_room(state: State, kind: str, kinds: str) -> bool:
    """Return whether a message fits, after tail was raised as far as possible."""
    cells = len(state.codes)
    tail = state.tail
    while tail < state.head and state.codes[tail % cells].code in FINISHED:
        tail += 1
    used = sum(size(kinds[state.messages[n % cells]]) for n in range(tail, state.head))
    return state.head - tail < cells and used + size(kind) <= cells


def size(kind: str) -> int:
    """Return how much room the bytes of a message need. There is one for each cell."""
    return 2 if kind == "L" else 1


def fill(plan: Plan, message: int, code: int) -> None:
    """Store a new message's number, place and size, its bytes if it is ready, and its state."""
    state = plan.state
    number, cell = state.head, state.head % len(state.codes)
    if plan.flaw is Flaw.HEAD_BEFORE_STATE:
        plan.store("head", 0, number + 1)
        plan.store("head_again", 0, number + 1)
    plan.store("numbers", cell, number)
    plan.store("messages", cell, message)
    plan.store("references", cell, ())
    if code == READY and plan.flaw is Flaw.READY_BEFORE_BYTES:
        plan.store("codes", cell, plan.code(code))
    if code == READY:
        plan.store("bytes", cell, message)
    plan.store("codes", cell, plan.code(code))


def count_new(plan: Plan, number: int) -> None:
    """Raise head and pending for a new message."""
    plan.store("head", 0, number + 1)
    plan.store("head_again", 0, number + 1)
    plan.store("pending", 0, plan.state.pending + 1)
