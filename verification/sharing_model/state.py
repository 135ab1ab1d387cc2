"""A state of the model. It is a tuple of tuples, so that states can be compared and hashed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from verification.sharing_model.flaws import Flaw
from verification.sharing_model.words import UNUSED, Buffer, Handle, Step, Words, put

if TYPE_CHECKING:
    from verification.sharing_model.configuration import Configuration

# Plain numbers: states are hashed millions of times.
UNBORN, ALIVE, DEAD, DYING = range(4)
FREE, LIVE = range(2)
UNLOCKED, OWNER_DIED = -1, -2
NO_SLOT = -1


class Violation(Exception):
    """An invariant of the protocol does not hold. The message says which."""


class View(NamedTuple):
    """The number of views that a process has of one buffer."""

    buffer: Buffer
    times: int


class Operation(NamedTuple):
    """An operation that a process is about to do or is doing."""

    name: str
    first: Any = None
    second: Any = None

    def __str__(self) -> str:
        given = [str(what) for what in (self.first, self.second) if what is not None]
        return " ".join((self.name, ", ".join(given))).rstrip()


class Thread(NamedTuple):
    """The operation of one thread and the rest of its plan."""

    plan: tuple[Step, ...] = ()
    operation: Operation | None = None


class Process(NamedTuple):
    """The private state of one process. It ends with the process."""

    life: int
    slot: int
    views: tuple[View, ...] = ()
    plan: tuple[Step, ...] = ()
    operation: Operation | None = None
    other: Thread | None = None
    """Another thread, which waits. It has the same views and the same slot."""

    def turned(self) -> Process:
        """Return the process with its other thread running and this one waiting."""
        assert self.other is not None
        return self._replace(
            plan=self.other.plan,
            operation=self.other.operation,
            other=Thread(self.plan, self.operation),
        )

    def has(self, buffer: Buffer, flaw: Flaw | None) -> bool:
        """Return whether there is a view of a buffer with this size; a thread may have shrunk it."""
        if flaw is Flaw.SIZE_BEFORE_LOCK:
            return self.views_of(buffer) > 0
        return any(view.buffer == buffer for view in self.views)

    def views_of(self, buffer: Buffer) -> int:
        """Return the number of views of a buffer, of any size."""
        return sum(view.times for view in self.views if view.buffer.same(buffer))


class Marks(NamedTuple):
    """What a slot's state says about trims."""

    pieces: int = 0
    """How many pieces the trims of the slot's process hold."""
    wanted: int = 0
    """Whether an allocation failed beside one."""


class Kept(NamedTuple):
    """A buffer that is kept under a key, as of the last commit."""

    key: int
    page: int
    incarnation: int


class State(NamedTuple):
    """The complete state. Shared words outlive their writers; leases and private state do not.

    While the lock is free:

    - a page is in a live buffer or in a free list, and not in both;
    - a buffer's ticket count is the number of tickets that name it;
    - a live buffer has a holder or a ticket, and the slots of its holders are live;
    - the arena holds a buffer if an entry keeps it, and no two entries have the same key or buffer;
    - a buffer in a magazine is live, and the magazine's slot holds it.

    Always:

    - each buffer that a living process views is live, and its slot holds it;
    - an attached living process has its lease, and its slot is live.
    """

    lock: int
    """The owner, `UNLOCKED` or `OWNER_DIED`."""
    busy: int
    words: Words
    slots: tuple[int, ...]
    leases: tuple[int, ...]
    """For each slot, a bit for each process that has its lease. Only the system changes this."""
    sticky: tuple[int, ...]
    processes: tuple[Process, ...]
    next_incarnation: int = 1
    next_serial: int = 1
    deaths: int = 0
    marks: tuple[Marks, ...] = ()
    """For each slot, in the same word as its state; empty in a search without trims."""
    trims: int = 0
    """The trims so far."""
    generations: tuple[int, ...] = ()
    """For each slot, in the same word as its state; empty in a search without groups or ties."""
    handles: tuple[Handle, ...] = ()
    claimed: tuple[int, ...] = ()
    """The serials claimed so far; known only to the model."""
    kept: tuple[Kept, ...] = ()
    """What the directory must contain; known only to the model."""

    def with_process(self, i: int, process: Process) -> State:
        """Return the state with process `i` replaced."""
        return self._replace(processes=put(self.processes, i, process))

    def dead_slots(self) -> list[int]:
        """Return the live slots without a lease: their processes are dead."""
        return [
            slot
            for slot, (state, lease) in enumerate(zip(self.slots, self.leases, strict=True))
            if state == LIVE and not lease
        ]


def views_changed(views: tuple[View, ...], buffer: Buffer, by: int) -> tuple[View, ...]:
    """Return the sorted views with `by` added to the count of one buffer. Counts of 0 are removed.

    >>> views_changed((View(Buffer(page=0, incarnation=1), 1),), Buffer(0, 1), -1)
    ()
    """
    counts = {view.buffer: view.times for view in views}
    counts[buffer] = counts.get(buffer, 0) + by
    return tuple(sorted(View(*count) for count in counts.items() if count[1]))


def first_state(configuration: Configuration) -> State:
    """Return the state in which the first processes are attached and nothing is allocated."""
    born, pages = configuration.born, configuration.pages
    unused = configuration.slots - born
    other = Thread() if configuration.threads > 1 else None
    return State(
        lock=UNLOCKED,
        busy=0,
        words=Words(
            records=(None,) * pages,
            listed=(1,) * pages,
            holds=(0,) * pages,
            ticket_counts=(0,) * pages,
            tickets=(None,) * configuration.ticks,
            directory=(UNUSED,) * configuration.entries,
            found=(0,) * configuration.entries,
            magazines=(None,) * configuration.slots,
        ),
        slots=(LIVE,) * born + (FREE,) * unused,
        leases=tuple(1 << i for i in range(born)) + (0,) * unused,
        sticky=(0,) * configuration.slots,
        marks=(Marks(),) * configuration.slots if configuration.trims else (),
        generations=(1,) * configuration.slots
        if configuration.groups or configuration.tied
        else (),
        processes=tuple(
            Process(ALIVE, i, other=other) if i < born else Process(UNBORN, NO_SLOT)
            for i in range(configuration.procs)
        ),
    )
