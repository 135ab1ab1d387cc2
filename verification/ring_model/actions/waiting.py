"""Waiting and waking, in steps: the futex, the flag, the look, the system call.

With `fine` off, a look in vain sets the flag and sleeps at once, and a wake is one step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.ring_model.actions.world import WAITING, World
from verification.ring_model.flaws import Flaw
from verification.ring_model.plans import Action, left_by_the_dead
from verification.ring_model.state import FAILED, State, Wake

if TYPE_CHECKING:
    from collections.abc import Iterator


class Waiting(World):
    """Waits and wakes."""

    def read_futex(self, state: State, i: int) -> Iterator[Action]:
        if not self.configuration.fine:
            yield from self.look(state, i)
            return
        if self.flaw is Flaw.LOOK_BEFORE_FLAG:
            yield from self.look(state.with_process(i, state.processes[i]._replace(fresh=True)), i)
            return
        plan = self.plan(state, i, locked=False)
        if self.flaw is Flaw.FLAG_BEFORE_FUTEX:
            futex = self.futex(i)
            if plan.me.fresh:
                plan.store("flags", futex, 1)
                yield plan.ends("sets the flag", plan.me._replace(fresh=False))
            else:
                yield plan.ends("reads the futex", plan.me._replace(at="look", fresh=True))
            return
        yield plan.ends("reads the futex", plan.me._replace(at="set flag", fresh=True))

    def set_flag(self, state: State, i: int) -> Iterator[Action]:
        plan = self.plan(state, i, locked=False)
        futex = self.futex(i)
        plan.store("flags", futex, 1)
        after = "sleep" if self.flaw is Flaw.LOOK_BEFORE_FLAG else "look"
        yield plan.ends("sets the flag", plan.me._replace(at=after))

    def sleep(self, state: State, i: int) -> Iterator[Action]:
        plan = self.plan(state, i, locked=False)
        if self.may_fail(state):
            yield self.leaves(state, i, pass_on=False)
        if plan.me.fresh:
            yield plan.ends("falls asleep", plan.me._replace(at="asleep"))
        else:
            yield plan.ends("finds the futex changed", plan.me._replace(at="read futex"))

    def asleep(self, state: State, i: int) -> Iterator[Action]:
        if self.may_fail(state):
            yield self.leaves(state, i, pass_on=False)
        if state.deaths or self.configuration.slices:
            plan = self.plan(state, i, locked=False)
            dead = state.busy or left_by_the_dead(state, self.flaw)
            after = "end" if dead else "read futex"
            yield plan.ends("slept for a slice", plan.me._replace(at=after))

    def woken(self, state: State, i: int) -> Iterator[Action]:
        plan = self.plan(state, i, locked=False)
        if self.may_fail(state):
            yield self.leaves(state, i, pass_on=self.flaw is not Flaw.LEAVES_WITH_WAKE)
        if self.flaw is Flaw.WOKEN_SETS_NO_FLAG:
            yield from self.look(state.with_process(i, plan.me._replace(at="look", fresh=True)), i)
            return
        if not self.configuration.fine:
            futex = self.futex(i)
            plan.store("flags", futex, 1)
            yield plan.ends("wakes up and sets the flag", plan.me._replace(at="look"))
            return
        yield plan.ends("wakes up", plan.me._replace(at="set flag", fresh=True))

    def leaves(self, state: State, i: int, *, pass_on: bool) -> Action:
        """Return the exception that ends a wait. Who was woken passes the wake on."""
        plan = self.plan(state, i, locked=False)
        plan.note("faults", 0, state.faults + 1)
        if self.is_producer(i):
            plan.note("outcomes", self.message(state, i), FAILED)
        wakes = (Wake(self.futex(i), 2),) if pass_on else ()
        n_done = plan.me.n_done + 1
        me = plan.me._replace(at="idle", n_done=n_done, wakes=wakes, fresh=True)
        return plan.ends("stops waiting", me)

    def wake(self, state: State, i: int) -> Iterator[Action]:
        """Read the flag; clear it; change the futex; wake one sleeper or all."""
        if not self.configuration.fine:
            yield from self.wake_at_once(state, i)
            return
        plan = self.plan(state, i, locked=False)
        first, rest = plan.me.wakes[0], plan.me.wakes[1:]
        flag = state.flags[first.futex]
        order = (0, 2, 3, 1) if self.flaw is Flaw.FLAG_CLEARED_LATE else (0, 1, 2, 3)
        at = order.index(first.stage)
        following = order[at + 1] if at < 3 else None
        everybody = first.everybody or self.wakes_all(state)
        onward = () if following is None else (first._replace(stage=following),)
        if first.stage == 0:
            if flag == 0 and not first.forced and not self.wakes_all(state):
                yield plan.ends("sees no flag", plan.me._replace(wakes=rest))
                return
            onward = (first._replace(stage=order[1], everybody=everybody),)
            yield plan.ends("sees the flag", plan.me._replace(wakes=onward + rest))
        elif first.stage == 1:
            plan.store("flags", first.futex, 0)
            yield plan.ends("clears the flag", plan.me._replace(wakes=onward + rest))
        elif first.stage == 2:
            plan.store("flags", first.futex, flag)
            for j, process in enumerate(state.processes):
                waits = self.futex(j) == first.futex and process.at in WAITING
                if waits and process.fresh and self.flaw is not Flaw.FUTEX_NOT_CHANGED:
                    plan.note("processes", j, process._replace(fresh=False))
            yield plan.ends("changes the futex", plan.me._replace(wakes=onward + rest))
        else:
            for group in self.groups(state, first.futex, everybody=first.everybody):
                plan = self.plan(state, i, locked=False)
                for j in group:
                    plan.note("processes", j, state.processes[j]._replace(at="woken"))
                yield plan.ends(f"wakes {group}", plan.me._replace(wakes=onward + rest))

    def wakes_all(self, state: State) -> bool:
        """Return whether a wake is for all sleepers, also if there is no flag: the ring is closed."""
        return state.closed != 0 and self.flaw is not Flaw.UNLINK_HEEDS_FLAG

    def groups(self, state: State, futex: int, *, everybody: bool) -> list[list[int]]:
        """Return the sleepers that the kernel may choose to wake."""
        sleepers = [
            j
            for j, process in enumerate(state.processes)
            if process.at == "asleep" and self.futex(j) == futex
        ]
        return [sleepers] if everybody or not sleepers else [[j] for j in sleepers]

    def wake_at_once(self, state: State, i: int) -> Iterator[Action]:
        """Wake as one step."""
        me = state.processes[i]
        first, rest = me.wakes[0], me.wakes[1:]
        flag = state.flags[first.futex]
        needed = first.stage or first.forced or self.wakes_all(state)
        if flag == 0 and not needed:
            yield self.plan(state, i, locked=False).ends("sees no flag", me._replace(wakes=rest))
            return
        everybody = first.everybody or self.wakes_all(state)
        for group in self.groups(state, first.futex, everybody=everybody):
            plan = self.plan(state, i, locked=False)
            plan.note("flags", first.futex, 0)
            for j in group:
                plan.note("processes", j, state.processes[j]._replace(at="woken"))
            yield plan.ends(f"wakes {group}", me._replace(wakes=rest))
