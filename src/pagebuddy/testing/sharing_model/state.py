"""A state of the model: a tuple of tuples, so that states can be compared and remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from pagebuddy.testing.sharing_model.configuration import Configuration

# Plain numbers, as states are hashed millions of times.
UNBORN, ALIVE, DEAD = range(3)
FREE, LIVE = range(2)
UNLOCKED, OWNER_DIED = -1, -2
NO_SLOT = -1

T = TypeVar("T")


class Violation(Exception):
    """A promise of the protocol does not hold; the message says which."""


class View(NamedTuple):
    """How many views a process has of one buffer: the page, and which of its lives."""

    page: int
    incarnation: int
    times: int


class Ticket(NamedTuple):
    """What an entry for tickets says."""

    serial: int
    page: int
    incarnation: int


class Handle(NamedTuple):
    """What was pickled: the entry, and what stood in it. Anybody may claim it, at any time."""

    entry: int
    ticket: Ticket


class Step(NamedTuple):
    """One store, or one effect outside the shared words."""

    what: str
    at: int = 0
    value: Any = 0

    def __str__(self) -> str:
        return f"{self.what}[{self.at}] = {self.value}"


class Operation(NamedTuple):
    """What a process wants, or is about."""

    name: str
    first: int = 0
    second: Any = 0

    def __str__(self) -> str:
        if self.name in ("alloc", "attach", "reap"):
            return self.name
        return f"{self.name} {self.first}" + (f", {self.second}" if self.second else "")


class Process(NamedTuple):
    """What one process has for itself; it goes with it."""

    life: int
    slot: int
    views: tuple[View, ...] = ()
    plan: tuple[Step, ...] = ()
    operation: Operation | None = None


class Words(NamedTuple):
    """The shared words that recovery reads or writes. Records, holds and tickets are the truth."""

    records: tuple[int, ...]
    """Of each page: 0, or the incarnation of the buffer that lives there."""
    listed: tuple[int, ...]
    """Of each page: whether it is in a free list."""
    holds: tuple[int, ...]
    """Of each page: a bit for each slot that holds it."""
    ticket_counts: tuple[int, ...]
    """Of each page: how many tickets name it."""
    tickets: tuple[Ticket | None, ...]

    def after(self, step: Step) -> Words:
        """Return the words after one store in them."""
        changed: dict[str, Any] = {step.what: put(getattr(self, step.what), step.at, step.value)}
        return self._replace(**changed)


class State(NamedTuple):
    """Everything. Shared words outlive their writers; leases and private state do not.

    While the lock is free:
    - a page has a record or is in a free list, and not both;
    - a page's ticket count is the number of tickets that name it;
    - a live buffer has a holder or a ticket, and its holders' slots are live.

    Always:
    - what a living process views is live, and its slot holds it;
    - a living process has its lease.
    """

    lock: int
    """The owner, `UNLOCKED` or `OWNER_DIED`."""
    busy: int
    words: Words
    slots: tuple[int, ...]
    leases: tuple[int, ...]
    """Of each slot: a bit for each process that keeps its lease. Nobody stores here but the system."""
    sticky: tuple[int, ...]
    processes: tuple[Process, ...]
    next_incarnation: int = 1
    next_serial: int = 1
    deaths: int = 0
    handles: tuple[Handle, ...] = ()
    claimed: tuple[int, ...] = ()
    """The serials claimed so far: known to the model alone."""

    def with_process(self, i: int, process: Process) -> State:
        """Return the state with process `i` as given."""
        return self._replace(processes=put(self.processes, i, process))

    def dead_slots(self) -> list[int]:
        """Return the slots that are live without a lease: the proof of death."""
        return [
            slot
            for slot, (state, lease) in enumerate(zip(self.slots, self.leases, strict=True))
            if state == LIVE and not lease
        ]


def put(values: tuple[T, ...], index: int, value: T) -> tuple[T, ...]:
    """Return the values with one of them replaced.

    >>> put((1, 2, 3), 1, 9)
    (1, 9, 3)
    """
    return (*values[:index], value, *values[index + 1 :])


def views_changed(
    views: tuple[View, ...], page: int, incarnation: int, by: int
) -> tuple[View, ...]:
    """Return the views with `by` more of one buffer, in order; none is not kept.

    >>> views_changed((View(0, 1, 1),), 0, 1, -1)
    ()
    """
    counts = {(view.page, view.incarnation): view.times for view in views}
    counts[page, incarnation] = counts.get((page, incarnation), 0) + by
    return tuple(sorted(View(*buffer, count) for buffer, count in counts.items() if count))


def first_state(configuration: Configuration) -> State:
    """Return the state in which the first processes are attached and nothing is allocated."""
    born, pages = configuration.born, configuration.pages
    unused = configuration.slots - born
    return State(
        lock=UNLOCKED,
        busy=0,
        words=Words(
            records=(0,) * pages,
            listed=(1,) * pages,
            holds=(0,) * pages,
            ticket_counts=(0,) * pages,
            tickets=(None,) * configuration.ticks,
        ),
        slots=(LIVE,) * born + (FREE,) * unused,
        leases=tuple(1 << i for i in range(born)) + (0,) * unused,
        sticky=(0,) * configuration.slots,
        processes=tuple(
            Process(ALIVE, i) if i < born else Process(UNBORN, NO_SLOT)
            for i in range(configuration.procs)
        ),
    )
