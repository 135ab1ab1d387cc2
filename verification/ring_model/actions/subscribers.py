"""Subscribers of topics: subscribe, copy, hold, and go on to the next message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.ring_model.actions.world import EVERYBODY, World
from verification.ring_model.flaws import Flaw
from verification.ring_model.plans import OWNED, Action, Plan, pass_over, seen_at
from verification.ring_model.state import READY, VOID, Row, State, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator


class Subscribers(World):
    """The actions of subscribers."""

    def subscribe(self, state: State, i: int) -> Iterator[Action]:
        plan = self.plan(state, i)
        plan.store("rows", i - self.n_producers, Row(i, 1, plan.state.head, (0, 0)))
        yield plan.ends("subscribes", plan.me)

    def try_read(self, state: State, i: int) -> Iterator[Action]:
        config, plan, me = self.configuration, self.plan(state, i), state.processes[i]
        r = i - self.n_producers
        while True:
            row = plan.state.rows[r]
            assert row is not None
            if row.next < plan.state.tail:
                raise Violation("tail passed a message that a subscription did not pass")
            seen = seen_at(plan.state, row.next % config.cells)
            if row.next == plan.state.head or seen.code.code in OWNED:
                if plan.state.closed and row.next == plan.state.head:
                    yield plan.ends(
                        "finds the ring closed", me._replace(at="idle", n_done=config.gets[r])
                    )
                else:
                    yield self.fails(plan, "finds nothing")
                return
            if seen.code.code == READY:
                break
            pass_over(plan, r, missed=seen.code.code != VOID)
        if plan.state.bytes[row.next % config.cells] != seen.message:
            raise Violation("a message is read whose bytes are not there")
        if plan.state.gone[2 * r] >> seen.message & 1:
            raise Violation("a message is read that was read before")
        if seen.references:
            hand = (seen,)
            yield plan.ends("copies", me._replace(at="hold read", hand=hand, fresh=True))
            return
        pass_over(plan, r, missed=False)
        plan.note("gone", 2 * r, plan.state.gone[2 * r] | 1 << seen.message)
        yield self.is_read(plan)

    def is_read(self, plan: Plan) -> Action:
        wakes = EVERYBODY[1:] if self.flaw is not Flaw.READ_WAKES_NOBODY else ()
        n_done = plan.me.n_done + 1
        return plan.ends(
            "reads", plan.me._replace(at="idle", n_done=n_done, hand=(), wakes=wakes, fresh=True)
        )

    def hold_read(self, state: State, i: int) -> Iterator[Action]:
        plan = self.plan(state, i, locked=False)
        (seen,) = plan.me.hand
        if not self.tickets_are_there(state, seen):
            yield plan.ends("finds it evicted", plan.me._replace(at="idle", hand=()))
            return
        plan.store("holds", seen.message, state.holds[seen.message] | 1 << i)
        yield plan.ends("holds", plan.me._replace(at="read"))

    def read(self, state: State, i: int) -> Iterator[Action]:
        plan = self.plan(state, i)
        r = i - self.n_producers
        (seen,) = plan.me.hand
        row = plan.state.rows[r]
        assert row is not None
        if not state.holds[seen.message] >> i & 1:
            raise Violation("a subscriber has a message whose pages it does not hold")
        if row.next == seen.number:
            pass_over(plan, r, missed=False)
        elif self.flaw is not Flaw.EVICTED_IN_HAND_MISSED:
            at = row.next & 1
            count = row.missed[at] - 1
            counts = (row.missed[0], count) if at else (count, row.missed[1])
            plan.store("rows", r, row._replace(missed=counts))
        plan.note("gone", 2 * r, plan.state.gone[2 * r] | 1 << seen.message)
        plan.note("holds", seen.message, plan.state.holds[seen.message] & ~(1 << i))
        yield self.is_read(plan)
