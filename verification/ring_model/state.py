"""A state of the model. It is a tuple of tuples, so that states can be compared and hashed."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

# Plain numbers: states are hashed millions of times.
NEVER, WRITING, READY, TAKEN, DONE, VOID = range(6)
"""The codes of a cell. Void: done, and never ready."""
PUTS, GETS = range(2)
"""The two futexes. Consumers and subscribers sleep at `PUTS`, producers and publishers at `GETS`."""
NOTHING, RETURNED, GOT, LOST, FAILED = range(5)
"""What became of a message. Lost: its consumer died with it. Failed: its put raised an exception."""


class Violation(Exception):
    """An invariant of the protocol does not hold. The message says which."""


class Code(NamedTuple):
    """The word `C_STATE`."""

    code: int
    slot: int = 0
    generation: int = 0


class Reference(NamedTuple):
    """What a message says about a buffer: the index of a ticket, and its serial."""

    entry: int
    serial: int


class Ticket(NamedTuple):
    """A ticket of the ring."""

    serial: int
    message: int
    """The message whose buffer it holds. Each message with a ticket has a buffer of its own."""


class Row(NamedTuple):
    """A row of a subscription."""

    slot: int
    generation: int
    next: int
    missed: tuple[int, int]
    """Indexed by the parity of `next`, so that the store of `next` commits both."""


class Seen(NamedTuple):
    """A message that a process has in hand, as it saw it with the lock."""

    number: int
    code: Code
    message: int
    references: tuple[Reference, ...]


class Wake(NamedTuple):
    """A wake that a process owes the sleepers of a futex."""

    futex: int
    stage: int = 0
    everybody: bool = False
    forced: bool = False
    """Whether the flag does not matter."""


class Process(NamedTuple):
    """The private state of one process. It ends with the process. Its slot has its own index."""

    at: str
    """The next action, see `actions`. The wakes that are owed come first."""
    n_done: int = 0
    """How many puts, gets or reads are finished."""
    hand: tuple[Seen, ...] = ()
    wakes: tuple[Wake, ...] = ()
    fresh: bool = True
    """Whether the futex still has the value that this process read."""


class State(NamedTuple):
    """The complete state. Everything but `processes` outlives the processes.

    `codes`, `numbers`, `messages`, `bytes` and `references` are the words of the cells. Head and tail
    have a second word each, which is stored after the first.
    """

    codes: tuple[Code, ...]
    numbers: tuple[int, ...]
    messages: tuple[int, ...]
    """For each cell: the message whose place and size it has, or -1."""
    bytes: tuple[int, ...]
    """For each cell: the message whose bytes are stored, or -1."""
    references: tuple[tuple[Reference, ...], ...]
    head: int
    head_again: int
    tail: int
    tail_again: int
    ready: int
    pending: int
    next: int
    closed: int
    busy: int
    """Not 0: a process died with the ring's lock, and the ring is not repaired yet."""
    flags: tuple[int, int]
    producing: tuple[int, ...]
    """For each producer: whether its row says that it put something, and did not close the queue."""
    rows: tuple[Row | None, ...]
    kept: int
    """Whether the ring has a name."""
    tickets: tuple[Ticket | None, ...]
    serial: int
    holds: tuple[int, ...]
    """For each message: a bit for each slot that holds its buffer."""
    slots: tuple[int, ...]
    """For each slot: its generation if it is live, and minus this if it is free."""
    processes: tuple[Process, ...]
    outcomes: tuple[int, ...]
    """For each message: what became of it. Known only to the model."""
    gone: tuple[int, ...]
    """For each subscriber: bits for the messages that it got, and for those that it was due. Known to
    the model only."""
    deaths: int
    faults: int
    """How many exceptions struck."""

    def after(self, what: str, at: int, value: Any) -> State:
        """Return the state after one store."""
        field = FIELDS[what]
        old = self[field]
        if isinstance(old, tuple):
            value = (*old[:at], value, *old[at + 1 :])
        # Faster than `_replace`, which takes a third of the time of a search.
        return tuple.__new__(State, (*self[:field], value, *self[field + 1 :]))

    def with_process(self, i: int, process: Process) -> State:
        """Return the state with one process replaced."""
        return self.after("processes", i, process)

    def lives(self, message: int) -> bool:
        """Return whether the buffer of a message is live."""
        named = any(ticket and ticket.message == message for ticket in self.tickets)
        return named or self.holds[message] != 0


FIELDS = {name: field for field, name in enumerate(State._fields)}


def put(values: tuple[T, ...], index: int, value: T) -> tuple[T, ...]:
    """Return a copy of the values with one of them replaced.

    >>> put((1, 2, 3), 1, 9)
    (1, 9, 3)
    """
    return (*values[:index], value, *values[index + 1 :])
