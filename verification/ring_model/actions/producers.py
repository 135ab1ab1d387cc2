"""Producers of queues and publishers of topics: reserve, make tickets, commit; or give up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.ring_model.actions.evictions import Evictions
from verification.ring_model.actions.world import EVERYBODY
from verification.ring_model.flaws import Flaw
from verification.ring_model.plans import Action, Plan, advance, count_new, fill, seen_at, withdraw
from verification.ring_model.state import (
    FAILED,
    PUTS,
    READY,
    RETURNED,
    TAKEN,
    VOID,
    WRITING,
    Reference,
    State,
    Ticket,
    Wake,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class Producers(Evictions):
    """The actions of producers and publishers."""

    def try_put(self, state: State, i: int) -> Iterator[Action]:
        config, plan, me = self.configuration, self.plan(state, i), state.processes[i]
        message = self.message(state, i)
        kind = self.kinds[message]
        advance(plan)
        if plan.state.closed:
            plan.note("outcomes", message, FAILED)
            done = me._replace(at="idle", n_done=me.n_done + 1, fresh=True)
            yield plan.ends("finds the ring closed", done)
            return
        if config.topic:
            while not self.has_room_for(plan.state, kind):
                oldest = seen_at(plan.state, plan.state.tail % config.cells)
                if not self.may_evict(plan.state, oldest):
                    break
                self.evict(plan, oldest)
                if oldest.references:
                    after = "evicted" if self.flaw is Flaw.EVICT_BEFORE_WITHDRAWAL else "evict"
                    mine = oldest._replace(code=plan.code(TAKEN))
                    yield plan.ends(
                        "takes the oldest", me._replace(at=after, hand=(mine,), fresh=True)
                    )
                    return
                advance(plan)
        if not self.has_room_for(plan.state, kind):
            yield self.fails(plan, "finds no room")
            return
        number = plan.state.head
        if not plan.state.producing[i]:
            plan.store("producing", i, 1)
        if kind in "tT":
            holds = plan.state.holds[message] | 1 << i
            plan.note("holds", message, holds)
            fill(plan, message, WRITING)
            count_new(plan, number)
            cell = number % config.cells
            hand = (seen_at(plan.state, cell),)
            yield plan.ends("reserves", me._replace(at="send", hand=hand, fresh=True))
            return
        fill(plan, message, READY)
        self.due(plan, message, number)
        plan.note("outcomes", message, RETURNED)
        count_new(plan, number)
        plan.store("ready", 0, plan.state.ready + 1)
        yield self.is_put(plan, "puts")

    def due(self, plan: Plan, message: int, number: int) -> None:
        """Note for whom a message is that is ready now."""
        for r, row in enumerate(plan.state.rows):
            if row and row.next <= number:
                plan.note("gone", 2 * r + 1, plan.state.gone[2 * r + 1] | 1 << message)

    def is_put(self, plan: Plan, name: str) -> Action:
        """Return the action after which a message is put: wake who waits for it."""
        wakes = self.wakes_of_put(plan)
        me = plan.me._replace(
            at="idle", n_done=plan.me.n_done + 1, hand=(), fresh=True, wakes=wakes
        )
        return plan.ends(name, me)

    def wakes_of_put(self, plan: Plan) -> tuple[Wake, ...]:
        if self.configuration.topic:
            late = self.flaw is Flaw.READY_WAKES_NO_PUBLISHER
            return EVERYBODY[:1] if late else EVERYBODY
        if self.flaw is Flaw.FLAG_READ_EARLY and plan.me.at == "put":
            return (Wake(PUTS, 1),) if plan.me.fresh else ()
        return (Wake(PUTS),)

    def send(self, state: State, i: int) -> Iterator[Action]:
        """Make the tickets of a message. Each reference is in the ring before the ticket exists."""
        me = state.processes[i]
        plan = self.plan(state, i, locked=False)
        seen = me.hand[0]
        cell = seen.number % self.configuration.cells
        wanted = 2 if self.kinds[seen.message] == "T" else 1
        free = [entry for entry, ticket in enumerate(state.tickets) if ticket is None]
        if self.may_fail(state) or len(free) < wanted:
            yield self.gives_up(state, i)
        if len(free) < wanted:
            return
        for entry in free[:wanted]:
            serial = plan.state.serial + 1
            plan.note("serial", 0, serial)
            references = (*plan.state.references[cell], Reference(entry, serial))
            ticket = Ticket(serial, seen.message)
            if self.flaw is Flaw.SERIAL_BEFORE_REFERENCE:
                plan.store("tickets", entry, ticket)
                plan.store("references", cell, references)
            else:
                plan.store("references", cell, references)
                plan.store("tickets", entry, ticket)
        hand = (seen._replace(references=plan.state.references[cell]),)
        yield plan.ends("makes tickets", me._replace(at="commit", hand=hand))

    def gives_up(self, state: State, i: int) -> Action:
        """Return the exception that strikes before a message is ready."""
        plan = self.plan(state, i, locked=False)
        if self.may_fail(state):
            plan.note("faults", 0, state.faults + 1)
        cell = plan.me.hand[0].number % self.configuration.cells
        hand = (plan.me.hand[0]._replace(references=state.references[cell]),)
        after = "void" if self.flaw is Flaw.GIVE_UP_LEAVES_TICKETS else "give up"
        return plan.ends("is interrupted", plan.me._replace(at=after, hand=hand))

    def commit(self, state: State, i: int) -> Iterator[Action]:
        if self.may_fail(state):
            yield self.gives_up(state, i)
        plan = self.plan(state, i)
        (seen,) = plan.me.hand
        cell = seen.number % self.configuration.cells
        plan.store("bytes", cell, seen.message)
        plan.store("codes", cell, plan.code(READY))
        self.due(plan, seen.message, seen.number)
        plan.note("outcomes", seen.message, RETURNED)
        plan.note("holds", seen.message, plan.state.holds[seen.message] & ~(1 << i))
        plan.store("ready", 0, plan.state.ready + 1)
        yield self.is_put(plan, "commits")

    def give_up(self, state: State, i: int) -> Iterator[Action]:
        plan = self.plan(state, i, locked=False)
        withdraw(plan, plan.me.hand[0].references)
        yield plan.ends("withdraws its tickets", plan.me._replace(at="void"))

    def void(self, state: State, i: int) -> Iterator[Action]:
        plan = self.plan(state, i)
        (seen,) = plan.me.hand
        plan.store("codes", seen.number % self.configuration.cells, plan.code(VOID))
        plan.note("outcomes", seen.message, FAILED)
        plan.note("holds", seen.message, plan.state.holds[seen.message] & ~(1 << i))
        plan.store("pending", 0, plan.state.pending - 1)
        wakes = () if self.flaw is Flaw.GIVE_UP_WAKES_NOBODY else EVERYBODY
        n_done = plan.me.n_done + 1
        yield plan.ends(
            "gives up", plan.me._replace(at="idle", n_done=n_done, hand=(), wakes=wakes)
        )
