"""Publishers that make room in a topic: they take the oldest message and end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.ring_model.actions.world import EVERYBODY, World
from verification.ring_model.flaws import Flaw
from verification.ring_model.plans import Action, Plan, has_ended, seen_at, withdraw
from verification.ring_model.state import DONE, READY, TAKEN, Row, Seen, State

if TYPE_CHECKING:
    from collections.abc import Iterator


class Evictions(World):
    """Evictions of the oldest message of a topic."""

    def may_evict(self, state: State, oldest: Seen) -> bool:
        if oldest.code.code != READY:
            return False
        return not self.configuration.block or not any(
            row and row.next <= oldest.number and not self.is_dead_row(state, row)
            for row in state.rows
        )

    def is_dead_row(self, state: State, row: Row) -> bool:
        if self.flaw is Flaw.BLOCK_FOR_THE_DEAD:
            return False
        code = seen_at(state, 0).code._replace(slot=row.slot, generation=row.generation)
        return has_ended(state, code, self.flaw)

    def evict(self, plan: Plan, oldest: Seen) -> None:
        """Take the oldest message; without tickets it is done at once."""
        cell = oldest.number % self.configuration.cells
        late = self.flaw is Flaw.EVICT_BEFORE_WITHDRAWAL
        plan.store("codes", cell, plan.code(DONE if late or not oldest.references else TAKEN))
        plan.store("pending", 0, plan.state.pending - 1)
        plan.store("ready", 0, plan.state.ready - 1)

    def withdraw_evicted(self, state: State, i: int) -> Iterator[Action]:
        plan = self.plan(state, i, locked=False)
        withdraw(plan, plan.me.hand[0].references)
        late = self.flaw is Flaw.EVICT_BEFORE_WITHDRAWAL
        hand, after = ((), "put") if late else (plan.me.hand, "evicted")
        yield plan.ends("withdraws evicted tickets", plan.me._replace(at=after, hand=hand))

    def evicted(self, state: State, i: int) -> Iterator[Action]:
        plan = self.plan(state, i, locked=False)
        if self.flaw is Flaw.EVICT_BEFORE_WITHDRAWAL:
            yield plan.ends("evicts", plan.me._replace(at="evict"))
            return
        plan.store("codes", plan.me.hand[0].number % self.configuration.cells, plan.code(DONE))
        yield plan.ends("evicts", plan.me._replace(at="put", hand=(), wakes=EVERYBODY))
