"""Ending the messages of dead processes, and unlinking the ring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.ring_model.actions.world import EVERYBODY, World
from verification.ring_model.flaws import Flaw
from verification.ring_model.plans import Action, left_by_the_dead, withdraw
from verification.ring_model.state import DONE, VOID, WRITING, State, Wake

if TYPE_CHECKING:
    from collections.abc import Iterator


class Endings(World):
    """What ends the messages of the dead, and the ring."""

    def end(self, state: State, i: int) -> Iterator[Action]:
        """Look for a message of a dead process, and copy its references with the lock."""
        plan = self.plan(state, i)
        seen = left_by_the_dead(plan.state, self.flaw)
        if seen is None:
            yield plan.ends("finds nothing of the dead", plan.me._replace(at="read futex"))
        else:
            yield plan.ends("sees a dead owner", plan.me._replace(at="end tickets", hand=(seen,)))

    def end_tickets(self, state: State, i: int) -> Iterator[Action]:
        plan = self.plan(state, i, locked=False)
        (seen,) = plan.me.hand
        references = seen.references
        if self.flaw is Flaw.REFERENCES_READ_LATE:
            references = state.references[seen.number % self.configuration.cells]
        withdraw(plan, references)
        yield plan.ends("withdraws tickets of the dead", plan.me._replace(at="end done"))

    def end_done(self, state: State, i: int) -> Iterator[Action]:
        plan = self.plan(state, i)
        (seen,) = plan.me.hand
        cell = seen.number % self.configuration.cells
        same = plan.state.codes[cell] == seen.code and plan.state.numbers[cell] == seen.number
        wakes: tuple[Wake, ...] = ()
        if same or self.flaw is Flaw.END_UNCHECKED:
            writing = seen.code.code == WRITING
            plan.store("codes", cell, plan.code(VOID if writing else DONE))
            if writing:
                plan.store("pending", 0, plan.state.pending - 1)
            wakes = EVERYBODY
        yield plan.ends(
            "ends what the dead own", plan.me._replace(at="read futex", hand=(), wakes=wakes)
        )

    def unlink(self, state: State, i: int) -> Iterator[Action]:
        if self.flaw is Flaw.UNLINK_NAME_FIRST and state.kept:
            plan = self.plan(state, i, locked=False)
            plan.store("kept", 0, 0)
            yield plan.ends("unkeeps", plan.me)
            return
        plan = self.plan(state, i)
        plan.store("closed", 0, 1)
        if self.flaw is Flaw.UNLINK_NAME_FIRST:
            yield plan.ends("closes", plan.me._replace(wakes=EVERYBODY))
        else:
            yield plan.ends("closes", plan.me._replace(at="unkeep"))

    def unkeep(self, state: State, i: int) -> Iterator[Action]:
        plan = self.plan(state, i, locked=False)
        plan.store("kept", 0, 0)
        yield plan.ends("unkeeps", plan.me._replace(at="idle", wakes=EVERYBODY))
