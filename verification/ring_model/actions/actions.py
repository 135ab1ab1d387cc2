"""What a process may do next, by the action that it has reached.

A process that owes a wake does that first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.ring_model.actions.consumers import Consumers
from verification.ring_model.actions.endings import Endings
from verification.ring_model.actions.producers import Producers
from verification.ring_model.actions.subscribers import Subscribers
from verification.ring_model.actions.waiting import Waiting
from verification.ring_model.actions.world import EVERYBODY
from verification.ring_model.flaws import Flaw
from verification.ring_model.plans import Action
from verification.ring_model.state import (
    LOST,
    PUTS,
    READY,
    RETURNED,
    TAKEN,
    Process,
    State,
    Violation,
    put,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Actions(Producers, Consumers, Subscribers, Endings, Waiting):
    """All actions of one configuration."""

    def of(self, state: State, i: int) -> Iterator[Action]:
        """Yield everything that process `i` may do next, except dying."""
        process = state.processes[i]
        if process.wakes:
            yield from self.wake(state, i)
        elif process.at in BY_NAME:
            yield from BY_NAME[process.at](self, state, i)

    def idle(self, state: State, i: int) -> Iterator[Action]:
        me, config = state.processes[i], self.configuration
        if self.is_producer(i):
            if me.n_done < len(config.puts[i]):
                if self.flaw is Flaw.FLAG_READ_EARLY:
                    plan = self.plan(state, i, locked=False)
                    seen = state.flags[PUTS] != 0
                    yield plan.ends("reads the flag early", me._replace(at="put", fresh=seen))
                else:
                    yield from self.try_put(state, i)
            elif config.closes and state.producing[i]:
                plan = self.plan(state, i)
                plan.store("producing", i, 0)
                forced = self.flaw is not Flaw.CLOSE_HEEDS_FLAG
                wakes = tuple(wake._replace(forced=forced) for wake in EVERYBODY)
                yield plan.ends("closes the queue", me._replace(wakes=wakes))
            elif config.unlinks and i == 0 and not state.closed:
                yield from self.unlink(state, i)
        elif me.n_done < config.gets[i - self.n_producers]:
            yield from self.look(state, i)
        elif config.topic and state.rows[i - self.n_producers]:
            plan = self.plan(state, i)
            plan.store("rows", i - self.n_producers, None)
            yield plan.ends("unsubscribes", me._replace(wakes=EVERYBODY[1:]))

    def look(self, state: State, i: int) -> Iterator[Action]:
        """Try to put, to get, or to read."""
        if self.is_producer(i):
            return self.try_put(state, i)
        if not self.configuration.topic:
            return self.try_get(state, i)
        if state.rows[i - self.n_producers] is None:
            return self.subscribe(state, i)
        return self.try_read(state, i)

    def would_go_on(self, state: State, i: int) -> bool:
        """Return whether a sleeping process would find what it waits for."""
        try:
            (action, *_) = self.look(
                state.with_process(i, state.processes[i]._replace(at="look")), i
            )
        except Violation:
            return True
        return action.states[-1].processes[i].at not in ("sleep", "asleep")


def lost(state: State, i: int) -> State:
    """Return the state after process `i` was killed: what it had taken is lost."""
    process = state.processes[i]
    outcomes = list(state.outcomes)
    cells = len(state.codes)
    mine = {
        seen.message
        for seen in process.hand
        if state.codes[seen.number % cells].code != READY
        or state.numbers[seen.number % cells] != seen.number
    }
    for cell, code in enumerate(state.codes):
        if code.code == TAKEN and code.slot == i and code.generation == 1:
            mine.add(state.messages[cell])
    for message in mine:
        if outcomes[message] == RETURNED:
            outcomes[message] = LOST
    dead = Process("dead")
    return state._replace(
        outcomes=tuple(outcomes), processes=put(state.processes, i, dead), deaths=state.deaths + 1
    )


BY_NAME: dict[str, Callable[[Actions, State, int], Iterator[Action]]] = {
    "idle": Actions.idle,
    "put": Actions.try_put,
    "send": Actions.send,
    "commit": Actions.commit,
    "give up": Actions.give_up,
    "void": Actions.void,
    "evict": Actions.withdraw_evicted,
    "evicted": Actions.evicted,
    "hold": Actions.hold,
    "withdraw": Actions.withdraw_taken,
    "finish": Actions.finish,
    "give back": Actions.give_back,
    "hold read": Actions.hold_read,
    "read": Actions.read,
    "end": Actions.end,
    "end tickets": Actions.end_tickets,
    "end done": Actions.end_done,
    "unkeep": Actions.unkeep,
    "read futex": Actions.read_futex,
    "set flag": Actions.set_flag,
    "look": Actions.look,
    "sleep": Actions.sleep,
    "asleep": Actions.asleep,
    "woken": Actions.woken,
}
