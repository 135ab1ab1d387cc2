"""All moves in a state: a process takes a step, begins an operation, or is killed. Used by `search`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from verification.sharing_model.effects import PLAN, UNSEEN, perform, return_memory
from verification.sharing_model.flaws import Flaw
from verification.sharing_model.magazines import DRAWING, goes_on_unlocked, loading
from verification.sharing_model.plans.directory import index_of
from verification.sharing_model.plans.recovery import takeover
from verification.sharing_model.plans.slots import free_slot_of
from verification.sharing_model.state import (
    ALIVE,
    DEAD,
    DYING,
    NO_SLOT,
    OWNER_DIED,
    UNBORN,
    Operation,
    Process,
    State,
    Thread,
    views_changed,
)
from verification.sharing_model.words import LIMITED, TIED, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verification.sharing_model.configuration import Configuration
    from verification.sharing_model.words import Ticket

ATTACH, DETACH = Operation("attach"), Operation("detach")

IN_PIECES = (Flaw.CHUNKED, Flaw.CHUNKED_RECHECK)


class Move(NamedTuple):
    """Something that a process does, or that happens to it."""

    verb: str
    process: int
    what: Any = None


def moves(state: State, configuration: Configuration) -> Iterator[Move]:
    """Yield everything that can happen in a state."""
    for i, process in enumerate(state.processes):
        if process.life == UNBORN:
            yield Move("starts", i, ATTACH)
        if process.life == DYING:
            yield Move("is gone", i)
        if process.life != ALIVE:
            continue
        if state.deaths < configuration.deaths:
            yield Move("is killed", i)
        if process.other is not None and state.lock != i:
            yield Move("switches to its other thread", i)
        beside = configuration.flaw is Flaw.LOAD_BESIDE_OPERATION
        if process.other is not None and goes_on_unlocked(process.other) and not beside:
            # While that thread loads or draws, the only other operation in progress can be a fork.
            if process.operation is None and process.slot != NO_SLOT:
                yield from forks(state, i, configuration)
            elif state.lock == i:
                yield Move("steps", i)
            elif process.operation and process.operation.name == "fork" and state.lock < 0:
                yield Move("locks", i)
            continue
        if process.plan:
            yield Move("steps", i)
        elif process.operation and process.operation.name == "return_memory":
            yield Move("returns memory", i, process.operation)
        elif process.operation:
            if state.lock < 0:
                yield Move("locks", i)
        elif process.slot == NO_SLOT:
            if process.other is None or process.other.operation != ATTACH:
                yield Move("wants", i, ATTACH)
        else:
            yield from wishes(state, i, configuration)


def wishes(state: State, i: int, configuration: Configuration) -> Iterator[Move]:
    """Yield the operations that an idle attached process may begin.

    While another thread detaches, only a fork is possible.
    """
    me = state.processes[i]
    yield from forks(state, i, configuration)
    if me.other is not None and me.other.operation == DETACH:
        return
    if configuration.detach and not me.views and me.other in (None, Thread()):
        yield Move("wants", i, DETACH)
    if state.next_incarnation <= configuration.allocs:
        yield Move("wants", i, Operation("alloc"))
    if state.trims < configuration.trims:
        yield Move("wants", i, Operation("trim"))
    early = configuration.flaw is Flaw.UNSHARE_EARLY
    if state.sticky[me.slot] and (early or state.leases[me.slot] == 1 << i):
        yield Move("wants", i, Operation("unshare"))
    if state.sticky[me.slot] and free_slot_of(state, configuration.flaw) is not None:
        yield Move("wants", i, Operation("leave_slot"))
    for slot in state.dead_slots()[:1]:
        if configuration.flaw in IN_PIECES:
            yield Move("wants", i, Operation("reap_page", slot, 0))
        else:
            yield Move("wants", i, Operation("reap"))
    yield from wishes_of_buffers(state, i, configuration)
    if configuration.entries:
        yield from wishes_of_keys(state, i, configuration)


def forks(state: State, i: int, configuration: Configuration) -> Iterator[Move]:
    """Yield the fork that a process may begin."""
    for child, other in enumerate(state.processes):
        if configuration.fork and other.life == UNBORN:
            yield Move("wants", i, Operation("fork", child))
            break


def goes_unlocked(state: State, i: int, configuration: Configuration) -> bool:
    """Return whether a process may load and draw now: no other thread of it is in an operation."""
    other = state.processes[i].other
    at_rest = other is None or other.operation is None or other.operation.name == "fork"
    if configuration.flaw is Flaw.LOAD_BESIDE_OPERATION:
        at_rest = True
    return configuration.magazines and at_rest


def wishes_of_buffers(state: State, i: int, configuration: Configuration) -> Iterator[Move]:
    """Yield the operations on the buffers that a process views and on handles."""
    unlocked = goes_unlocked(state, i, configuration)
    if unlocked and state.words.magazines[state.processes[i].slot]:
        yield Move("draws", i, Operation("alloc"))
    # The engine counts a second object when it is made. The model counts views, and not a pending drop.
    ending = (me := state.processes[i]).other and me.other.operation and not me.other.plan
    if configuration.join and not ending:
        for page, record in enumerate(state.words.records):
            if record and not any(view.buffer.page == page for view in me.views):
                yield Move("wants", i, Operation("join", page))
    for buffer, _ in state.processes[i].views:
        yield Move("loads" if unlocked else "drops", i, Operation("drop", buffer))
        if state.next_serial <= configuration.sends:
            yield Move("wants", i, Operation("send", buffer))
            if configuration.groups:
                yield Move("wants", i, Operation("send", buffer, 1))
            if configuration.tied:
                yield Move("wants", i, Operation("send", buffer, "tied"))
            if configuration.receivers > 1:
                for receivers in (0, *range(2, configuration.receivers + 1)):
                    yield Move("wants", i, Operation("send", buffer, receivers))
        if configuration.resize:
            yield Move("wants", i, Operation("grow", buffer))
            yield Move("wants", i, Operation("shrink", buffer))
    for handle in state.handles:
        # Otherwise a process could claim such a handle for ever.
        if handle.ticket.left or not state.processes[i].views_of(handle.ticket.buffer):
            yield Move("wants", i, Operation("claim", *handle))
        if configuration.withdraw:
            yield Move("wants", i, Operation("withdraw", *handle))
    if configuration.groups and any(state.words.tickets):
        in_group = [
            ticket
            for ticket in state.words.tickets
            if ticket and ticket.sender and ticket.sender.group
        ]
        yield Move("wants", i, Operation("end_group", left_behind(state, in_group)))
    if configuration.tied:
        yield from expiries(state, i)
    if configuration.withdraw and any(state.words.tickets):
        yield Move("wants", i, Operation("expire"))


def left_behind(state: State, tickets: list[Ticket]) -> tuple[int, ...]:
    """Return the serials of those tickets whose senders, and all who shared their slots, ended."""
    serials = []
    for ticket in tickets:
        if sender := ticket.sender:
            slot = sender.slot
            shared = state.generations[slot] == sender.generation and state.leases[slot]
            if state.processes[sender.process].life == DEAD and not shared:
                serials.append(ticket.serial)
    return tuple(serials)


def expiries(state: State, i: int) -> Iterator[Move]:
    """Yield the passes over tied tickets, before and after the minute of those that were untied."""
    limited = [ticket for ticket in state.words.tickets if ticket and ticket.life == LIMITED]
    tied = [ticket for ticket in state.words.tickets if ticket and ticket.life == TIED]
    for is_over in (False, True)[: 1 + bool(limited)]:
        if tied or is_over:
            yield Move("wants", i, Operation("expire_tied", is_over, left_behind(state, tied)))


def wishes_of_keys(state: State, i: int, configuration: Configuration) -> Iterator[Move]:
    """Yield the operations on the directory. The number of views is limited, so that the search ends."""
    words, views = state.words, state.processes[i].views
    number = max(entry.number for entry in words.directory)
    for buffer, _ in views:
        if number <= configuration.replacements:
            for key in range(configuration.keys + 1):
                yield Move("wants", i, Operation("keep", buffer, key))
        if words.entry_of(buffer) is not None:
            yield Move("wants", i, Operation("unkeep", buffer))
    if sum(view.times for view in views) > 1:
        return
    for key in range(1, configuration.keys + 1):
        if configuration.flaw is not Flaw.FIND_BEFORE_LOCK:
            yield Move("wants", i, Operation("find", key))
        elif (index := index_of(words, key)) is not None:
            yield Move("wants", i, Operation("find", key, words.directory[index].buffer))


def after(state: State, move: Move, flaw: Flaw | None, lingering: bool = False) -> State:
    """Return the state after a move. Raise `Violation` if the protocol forbids its result."""
    i, process = move.process, state.processes[move.process]
    if move.verb == "is killed":
        return killed(state, i, lingering)
    if move.verb == "is gone":
        return gone(state, i).with_process(i, Process(DEAD, NO_SLOT))
    if move.verb == "switches to its other thread":
        return state.with_process(i, process.turned())
    if move.verb == "steps":
        return on_to_the_next_seen(perform(state, i, flaw), i, flaw)
    if move.verb == "locks":
        return on_to_the_next_seen(locked(state, i, flaw), i, flaw)
    if move.verb == "returns memory":
        return return_memory(state, i, Step("return_memory", value=move.what.first))
    if move.verb == "starts":
        return state.with_process(i, Process(ALIVE, NO_SLOT, operation=move.what))
    if move.verb == "draws":
        return state.with_process(i, process._replace(operation=move.what, plan=DRAWING))
    if move.verb == "loads":
        process = process._replace(plan=loading(move.what.first, flaw))
    if move.verb in ("drops", "loads"):
        views = views_changed(process.views, move.what.first, -1)
        process = process._replace(views=views)
    return state.with_process(i, process._replace(operation=move.what))


def on_to_the_next_seen(state: State, i: int, flaw: Flaw | None) -> State:
    """Perform the steps that no other process can observe."""
    while (plan := state.processes[i].plan) and plan[0].what in UNSEEN:
        state = perform(state, i, flaw)
    return state


def locked(state: State, i: int, flaw: Flaw | None) -> State:
    """Give process `i` the lock. If the previous owner died, its plan begins with recovery."""
    first = takeover(state, flaw) if state.lock == OWNER_DIED else []
    process = state.processes[i]._replace(plan=(*first, PLAN))
    return state._replace(lock=i).with_process(i, process)


def killed(state: State, i: int, lingering: bool) -> State:
    """Kill a process. Its lock records the death, shared words stay, and its leases end now or later."""
    state = state._replace(
        lock=OWNER_DIED if state.lock == i else state.lock, deaths=state.deaths + 1
    )
    if lingering:
        return state.with_process(i, Process(DYING, NO_SLOT))
    return gone(state, i).with_process(i, Process(DEAD, NO_SLOT))


def gone(state: State, i: int) -> State:
    """End the leases of a process."""
    return state._replace(leases=tuple(lease & ~(1 << i) for lease in state.leases))


def described(state: State, move: Move) -> str:
    """Return a description of a move in this state, for the trace."""
    who, process = f"P{move.process}", state.processes[move.process]
    if move.verb == "steps":
        name = process.operation.name if process.operation else ""
        return f"{who} {name}: {process.plan[0]}"
    if move.verb == "locks":
        died = " from a dead owner" if state.lock == OWNER_DIED else ""
        return f"{who} gets the lock{died} for {process.operation}"
    return f"{who} {move.verb}" + (f" {move.what}" if move.what else "")
