"""The invariants of every state, and the checks of the repair. Used by `search`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.ring_model.actions import WAITING
from verification.ring_model.plans import OWNED, Plan, has_ended
from verification.ring_model.state import (
    GETS,
    NEVER,
    PUTS,
    READY,
    RETURNED,
    WRITING,
    State,
    Violation,
)

if TYPE_CHECKING:
    from verification.ring_model.actions import Actions

TOWARDS = {
    PUTS: ("woken", "unkeep", *WAITING),
    GETS: ("woken", "unkeep", "finish", *WAITING),
}
"""Actions of processes that are about to use, or to wake others for, what there is."""


class Checks:
    """All checks of one configuration."""

    def __init__(self, actions: Actions) -> None:
        self.actions = actions
        self.configuration = actions.configuration
        self.flaw = actions.flaw
        self.repaired_before: set[State] = set()

    def all(self, state: State) -> None:
        """Raise `Violation` for the first invariant that does not hold."""
        if not state.busy:
            words_agree(state)
            if self.configuration.topic:
                missed_is_exact(state)
        else:
            self.repair_works(state)
        self.tickets_are_named(state)
        self.the_dead_are_seen(state)
        if not self.configuration.topic:
            messages_are_there(state)
        if not state.kept and not state.closed and state.deaths:
            raise Violation("a ring has lost its name and is never closed")
        if not state.deaths:
            self.no_wake_is_lost(state)
        elif self.configuration.block and not state.busy:
            self.the_dead_block_nobody(state)

    def repair_works(self, state: State) -> None:
        """Check that a repair may be interrupted after any store, and repeated."""
        known = state._replace(
            processes=(), outcomes=(), gone=(), tickets=(), holds=(), serial=0, slots=(), kept=0
        )
        if known in self.repaired_before:
            return
        self.repaired_before.add(known)
        whole = self.repaired(state)
        words_agree(whole)
        states = Plan(state, 0, locked=True, configuration=self.configuration).states
        for partial in states:
            if self.repaired(partial)._replace(busy=0) != whole._replace(busy=0):
                raise Violation("an interrupted repair ends in a different state")

    def repaired(self, state: State) -> State:
        return Plan(state, 0, locked=True, configuration=self.configuration).state

    def tickets_are_named(self, state: State) -> None:
        """Check that each ticket is named by a message, and that each ready message has its tickets."""
        named: set[tuple[int, ...]] = set()
        if state.busy:
            state = self.repaired(state)
        cells = len(state.codes)
        for number in range(state.tail, state.head):
            cell = number % cells
            code = state.codes[cell].code
            if code in OWNED or code == READY:
                named.update(state.references[cell])
            if code == READY:
                for entry, serial in state.references[cell]:
                    ticket = state.tickets[entry]
                    if not ticket or ticket != (serial, state.messages[cell]):
                        raise Violation("a message can be read whose pages are gone")
        for entry, ticket in enumerate(state.tickets):
            if ticket and (entry, ticket.serial) not in named:
                raise Violation("a ticket is left that no message names")

    def the_dead_are_seen(self, state: State) -> None:
        for code in state.codes:
            dead = code.code in OWNED and state.processes[code.slot].at == "dead"
            if dead and not has_ended(state, code, self.flaw):
                raise Violation("a message of a dead process is never ended")

    def no_wake_is_lost(self, state: State) -> None:
        """Check that nobody sleeps who could go on, unless another process is about to."""
        for i, process in enumerate(state.processes):
            if process.at != "asleep":
                continue
            futex = self.actions.futex(i)
            if any(
                any(wake.futex == futex for wake in other.wakes)
                or (other.at in TOWARDS[futex] and self.actions.futex(j) == futex)
                or other.at in ("unkeep", "finish")
                for j, other in enumerate(state.processes)
            ):
                continue
            if self.actions.would_go_on(state, i):
                raise Violation(f"P{i} sleeps although it could go on, and nobody wakes it")

    def the_dead_block_nobody(self, state: State) -> None:
        """Check that a publisher which waits in vain waits for a living process."""
        living = {i for i, process in enumerate(state.processes) if process.at != "dead"}
        owned = any(code.code in OWNED for code in state.codes)
        unread = any(row and row.next < state.head and row.slot in living for row in state.rows)
        for i, process in enumerate(state.processes):
            waits = process.at == "asleep" and self.actions.is_producer(i)
            if waits and not owned and not unread and not self.actions.would_go_on(state, i):
                raise Violation(f"P{i} waits for a dead process")


def words_agree(state: State) -> None:
    """Check that head, tail and what is derived agree with the cells."""
    cells = len(state.codes)
    if (state.head, state.tail) != (state.head_again, state.tail_again):
        raise Violation("a word of the ring differs from its second one")
    codes = []
    for number in range(state.tail, state.head):
        code = state.codes[number % cells].code
        if state.numbers[number % cells] != number or code == NEVER:
            raise Violation("a cell between tail and head is not that of its message")
        if code in (WRITING, READY) and number < state.next:
            raise Violation("a message below next can be taken")
        codes.append(code)
    used = [code.code for code in state.codes if code.code in (*OWNED, READY)]
    if sorted(used) != sorted(code for code in codes if code in (*OWNED, READY)):
        raise Violation("a message is in use that is not between tail and head")
    if state.ready != codes.count(READY):
        raise Violation("the number of ready messages is wrong")
    if state.pending != codes.count(READY) + codes.count(WRITING):
        raise Violation("the number of pending messages is wrong")


def messages_are_there(state: State) -> None:
    """Check that each message that was put can be taken, or is in the hand of a living consumer."""
    there = {state.messages[cell] for cell, code in enumerate(state.codes) if code.code == READY}
    for process in state.processes:
        there.update(seen.message for seen in process.hand)
    for message, outcome in enumerate(state.outcomes):
        if outcome == RETURNED and message not in there:
            raise Violation("a message that was put is missing")


def missed_is_exact(state: State) -> None:
    """Check that each living subscription counts the messages that it was due and did not get."""
    cells = len(state.codes)
    for r, row in enumerate(state.rows):
        if row is None or state.processes[row.slot].at == "dead":
            continue
        left = state.gone[2 * r + 1] & ~state.gone[2 * r]
        for number in range(max(row.next, state.tail), state.head):
            left &= ~(1 << state.messages[number % cells])
        if left.bit_count() != row.missed[row.next & 1]:
            raise Violation("a subscription has a wrong count of missed messages")
