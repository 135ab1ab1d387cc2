"""What all actions of a process share. Used by the other modules of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.ring_model.flaws import Flaw
from verification.ring_model.plans import Action, Plan, has_room
from verification.ring_model.state import GETS, PUTS, Seen, State, Wake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verification.ring_model.configuration import Configuration


WAITING = ("set flag", "look", "sleep")
"""The actions of a waiter after it read the futex."""
EVERYBODY = (Wake(PUTS, everybody=True), Wake(GETS, everybody=True))
"""Wakes of all sleepers at both futexes."""


class World:
    """What all actions share: the configuration, and a look in vain."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.flaw = configuration.flaw
        self.kinds = "".join(configuration.puts)
        self.n_producers = len(configuration.puts)
        starts = [0]
        for kinds in configuration.puts:
            starts.append(starts[-1] + len(kinds))
        self.starts = starts

    def is_producer(self, i: int) -> bool:
        return i < self.n_producers

    def futex(self, i: int) -> int:
        """Return the futex at which a process sleeps."""
        return GETS if self.is_producer(i) else PUTS

    def message(self, state: State, i: int) -> int:
        """Return the message that a producer puts next."""
        return self.starts[i] + state.processes[i].n_done

    def plan(self, state: State, i: int, *, locked: bool = True) -> Plan:
        return Plan(state, i, locked=locked, configuration=self.configuration)

    def may_fail(self, state: State) -> bool:
        return state.faults < self.configuration.faults

    def look(self, state: State, i: int) -> Iterator[Action]:
        """Try to put, to get, or to read."""
        raise NotImplementedError

    def fails(self, plan: Plan, name: str) -> Action:
        """Return the action of a look in vain: the process begins to wait, or sleeps."""
        me = plan.me
        if not self.configuration.fine:
            futex = self.futex(plan.i)
            plan.store("flags", futex, 1)
            return plan.ends(f"{name} and sleeps", me._replace(at="asleep"))
        if me.at == "look":
            return plan.ends(name, me._replace(at="sleep"))
        flaw = self.flaw is Flaw.LOOK_BEFORE_FLAG and me.at == "read futex"
        return plan.ends(name, me._replace(at="set flag" if flaw else "read futex", fresh=True))

    def has_room_for(self, state: State, kind: str) -> bool:
        return has_room(state, kind, self.kinds)

    def tickets_are_there(self, state: State, seen: Seen) -> bool:
        return all(
            (ticket := state.tickets[entry]) is not None and ticket.serial == serial
            for entry, serial in seen.references
        )
