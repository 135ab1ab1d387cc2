"""Consumers of queues: take, hold, withdraw, finish; or give back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.ring_model.actions.world import World
from verification.ring_model.flaws import Flaw
from verification.ring_model.plans import FINISHED, Action, Plan, has_producers, seen_at, withdraw
from verification.ring_model.state import (
    DONE,
    GETS,
    GOT,
    NOTHING,
    PUTS,
    READY,
    RETURNED,
    TAKEN,
    WRITING,
    Seen,
    State,
    Violation,
    Wake,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class Consumers(World):
    """The actions of consumers."""

    def try_get(self, state: State, i: int) -> Iterator[Action]:
        config, plan, me = self.configuration, self.plan(state, i), state.processes[i]
        hand: list[Seen] = []
        number = max(plan.state.next, plan.state.tail)
        following = number
        passed = (TAKEN, *FINISHED, *((WRITING,) if self.flaw is Flaw.NEXT_OVER_WRITING else ()))
        while number < plan.state.head and len(hand) < config.batch:
            seen = seen_at(plan.state, number % config.cells)
            if seen.code.code == READY:
                self.check_take(plan.state, number)
                plan.store("codes", number % config.cells, plan.code(TAKEN))
                plan.store("pending", 0, plan.state.pending - 1)
                plan.store("ready", 0, plan.state.ready - 1)
                hand.append(seen._replace(code=plan.code(TAKEN)))
                if following == number:
                    following += 1
            elif seen.code.code in passed and following == number:
                following += 1
            number += 1
        if following != plan.state.next:
            plan.store("next", 0, following)
        if not hand:
            over = plan.state.closed or (config.closes and not has_producers(plan.state))
            if over and plan.state.pending == 0:
                n_done = config.gets[i - self.n_producers]
                yield plan.ends("finds the end", me._replace(at="idle", n_done=n_done, fresh=True))
            else:
                yield self.fails(plan, "finds nothing")
            return
        wakes = (Wake(PUTS),) if plan.state.ready and self.flaw is not Flaw.NO_BATON else ()
        after = "finish"
        if any(seen.references for seen in hand):
            after = "withdraw" if self.flaw is Flaw.HOLD_AFTER_TICKET else "hold"
        yield plan.ends("takes", me._replace(at=after, hand=tuple(hand), wakes=wakes, fresh=True))

    def check_take(self, state: State, number: int) -> None:
        """Check that a message is taken once, in the order of its producer, with its bytes."""
        cells = self.configuration.cells
        message = state.messages[number % cells]
        if state.bytes[number % cells] != message:
            raise Violation("a message is taken whose bytes are not there")
        if state.outcomes[message] not in (NOTHING, RETURNED):
            raise Violation("a message is taken that was taken before")
        for process in state.processes:
            if any(seen.message == message for seen in process.hand) and process.at != "dead":
                raise Violation("a message is taken that another process has")
        for before in range(state.tail, number):
            earlier = seen_at(state, before % cells)
            if earlier.code.code == READY and self.producer(earlier.message) == self.producer(
                message
            ):
                raise Violation("messages of a producer are taken out of order")

    def producer(self, message: int) -> int:
        return sum(message >= start for start in self.starts) - 1

    def hold(self, state: State, i: int) -> Iterator[Action]:
        if self.may_fail(state):
            yield self.is_interrupted(state, i)
        plan = self.plan(state, i, locked=False)
        for seen in plan.me.hand:
            if seen.references:
                if not state.lives(seen.message):
                    raise Violation("the pages of a message that a consumer took are gone")
                plan.store("holds", seen.message, state.holds[seen.message] | 1 << i)
        if self.flaw is Flaw.DONE_BEFORE_WITHDRAWAL or self.flaw is Flaw.HOLD_AFTER_TICKET:
            yield plan.ends("holds", plan.me._replace(at="finish"))
        else:
            yield plan.ends("holds", plan.me._replace(at="withdraw"))

    def is_interrupted(self, state: State, i: int) -> Action:
        plan = self.plan(state, i, locked=False)
        plan.note("faults", 0, state.faults + 1)
        return plan.ends("is interrupted", plan.me._replace(at="give back"))

    def withdraw_taken(self, state: State, i: int) -> Iterator[Action]:
        swapped = self.flaw in (Flaw.HOLD_AFTER_TICKET, Flaw.DONE_BEFORE_WITHDRAWAL)
        if self.may_fail(state) and not swapped:
            yield self.is_interrupted(state, i)
        plan = self.plan(state, i, locked=False)
        for seen in plan.me.hand:
            withdraw(plan, seen.references)
        if self.flaw is Flaw.DONE_BEFORE_WITHDRAWAL:
            yield self.returns(plan, "withdraws", ())
        else:
            after = "hold" if self.flaw is Flaw.HOLD_AFTER_TICKET else "finish"
            yield plan.ends("withdraws", plan.me._replace(at=after))

    def finish(self, state: State, i: int) -> Iterator[Action]:
        """End one message of the batch, without the lock."""
        config = self.configuration
        plan = self.plan(state, i, locked=False)
        left = [
            seen
            for seen in plan.me.hand
            if state.codes[seen.number % config.cells] == seen.code
            and state.numbers[seen.number % config.cells] == seen.number
        ] or [plan.me.hand[0]]
        # From the first withdrawal on, a message cannot be given back.
        untouched = not any(seen.references for seen in plan.me.hand)
        late = self.flaw is Flaw.GIVE_BACK_WITHDRAWN
        if self.may_fail(state) and len(left) == len(plan.me.hand) and (untouched or late):
            yield self.is_interrupted(state, i)
        plan.store("codes", left[0].number % config.cells, plan.code(DONE))
        me = plan.me
        wakes = (Wake(GETS, everybody=self.flaw is not Flaw.ROOM_WAKES_ONE),)
        if len(left) > 1:
            yield plan.ends("finishes one", me)
        elif self.flaw is Flaw.DONE_BEFORE_WITHDRAWAL and any(s.references for s in me.hand):
            yield plan.ends("finishes", me._replace(at="withdraw", wakes=wakes))
        else:
            yield self.returns(plan, "finishes", wakes)

    def returns(self, plan: Plan, name: str, wakes: tuple[Wake, ...]) -> Action:
        """Return the action after which a consumer has its messages; here it drops them at once."""
        i = plan.i
        for seen in plan.me.hand:
            if seen.references and not plan.state.holds[seen.message] >> i & 1:
                raise Violation("a consumer has a message whose pages it does not hold")
            plan.note("outcomes", seen.message, GOT)
            plan.note("holds", seen.message, plan.state.holds[seen.message] & ~(1 << i))
        n_done = plan.me.n_done + 1
        return plan.ends(name, plan.me._replace(at="idle", n_done=n_done, hand=(), wakes=wakes))

    def give_back(self, state: State, i: int) -> Iterator[Action]:
        config = self.configuration
        plan = self.plan(state, i)
        for seen in reversed(plan.me.hand):
            plan.note("holds", seen.message, plan.state.holds[seen.message] & ~(1 << i))
            plan.store("codes", seen.number % config.cells, plan.code(READY))
            lower = self.flaw is not Flaw.NEXT_NOT_LOWERED
            if plan.state.next > seen.number and lower:
                plan.store("next", 0, seen.number)
            plan.store("pending", 0, plan.state.pending + 1)
            plan.store("ready", 0, plan.state.ready + 1)
        wakes = () if self.flaw is Flaw.GIVE_BACK_WAKES_NOBODY else (Wake(PUTS),)
        yield plan.ends("gives back", plan.me._replace(at="idle", hand=(), wakes=wakes))
