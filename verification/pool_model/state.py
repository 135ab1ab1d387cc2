"""A state of the model. It is a tuple of tuples, so that states can be compared and hashed."""

from __future__ import annotations

from typing import Any, NamedTuple

# Plain numbers: states are hashed millions of times.
OPEN, ANSWERED, DIED = range(3)
"""What became of a call."""
WAITS, RUNS, HAS_RUN = range(3)
"""How far a call came in workers. It has run when its result was put."""
READY = -1
"""The owner of a message that can be taken."""
NOBODY = -1


class Violation(Exception):
    """An invariant of the protocol does not hold. The message says which."""


class Cell(NamedTuple):
    """A message in the ring of calls: it is ready, or a worker has it in hand."""

    first: int
    n: int
    owner: int = READY


class Row(NamedTuple):
    """The words in which a worker says what it does. The last three are one word, `P_COUNTS`."""

    first: int = 0
    low: int = 0
    """The low bits of `first`. Numbers in the model are so small that these are all."""
    started: int = 0
    n: int = 0

    @property
    def counts(self) -> tuple[int, int, int]:
        return self[1:]


class Worker(NamedTuple):
    """The private state of a worker. It ends with the process."""

    at: str = "take"
    """The next step."""
    owner: int = 0
    """What it is in the ring: no two processes are the same."""
    first: int = 0
    n: int = 0
    i: int = 0
    """How many calls of its message it has started."""
    running: tuple[int, ...] = ()
    """The numbers of calls that were started and have not put a result: one, unless a rule is broken."""
    seen: tuple[int, int, int] = (0, 0, 0)
    """The counts, if it reads and stores them in two steps: a rule is broken."""


class Looker(NamedTuple):
    """The private state of the thread that looks after workers."""

    at: str = "looks"
    worker: int = 0
    row: Row = Row()
    """What was read of a row."""
    messages: tuple[Cell, ...] = ()
    """What dead workers had in hand."""
    dead: int = NOBODY
    """The call that a dead worker was running."""


class State(NamedTuple):
    """The complete state. A call has its index; its number is another one each time that it is sent."""

    cells: tuple[Cell, ...]
    results: tuple[int, ...]
    """The ring of results: the numbers of their calls."""
    rows: tuple[Row, ...]
    workers: tuple[Worker, ...]
    calls: tuple[int, ...]
    """For each number that was ever used, from 1 on: its call."""
    sent: frozenset[int]
    """The numbers of calls that were sent, and have not come back."""
    waiting: tuple[int, ...]
    returned: tuple[int, ...]
    """Calls that are sent again, before those that wait."""
    given: tuple[int, ...]
    """Calls that will be in `returned` when the next message is sent."""
    sending: tuple[int, ...]
    """Calls that were put and are still in `source`."""
    source: str
    receiving: int
    """The number of a result that was taken and has not ended its call, or 0."""
    is_marked: bool
    looker: Looker
    landed: tuple[tuple[int, int], ...]
    """Calls and what becomes of them, as soon as a thread ends them."""
    arrived: frozenset[int]
    outcomes: tuple[int, ...]
    lives: tuple[int, ...]
    """For each call how often it may still be sent again after its worker died."""
    ran: tuple[int, ...]
    """For each call how far it came. Known only to the model."""
    deaths: int = 0
    takes: int = 0

    def but(self, **values: Any) -> State:
        """Return the state with other values."""
        return self._replace(**values)

    def with_worker(self, w: int, worker: Worker) -> State:
        """Return the state with one worker replaced."""
        return self._replace(workers=put(self.workers, w, worker))

    def with_row(self, w: int, row: Row) -> State:
        """Return the state with one row replaced."""
        return self._replace(rows=put(self.rows, w, row))

    def call(self, number: int) -> int:
        """Return the call with a number."""
        return self.calls[number - 1]

    def ended(self, call: int, outcome: int) -> State:
        """Return the state after a call ended."""
        if self.outcomes[call] != OPEN:
            raise Violation("a call ends twice")
        if outcome == ANSWERED and self.ran[call] != HAS_RUN:
            raise Violation("a call is answered that has not run")
        if outcome == DIED and self.ran[call] == HAS_RUN:
            raise Violation("a call fails although its result was put")
        if outcome == DIED and self.ran[call] == WAITS:
            raise Violation("a call fails that was not running")
        return self._replace(
            outcomes=put(self.outcomes, call, outcome),
            sent=frozenset(number for number in self.sent if self.call(number) != call),
        )


def put(values: tuple[Any, ...], index: int, value: Any) -> tuple[Any, ...]:
    """Return a copy of the values with one of them replaced.

    >>> put((1, 2, 3), 1, 9)
    (1, 9, 3)
    """
    return (*values[:index], value, *values[index + 1 :])
