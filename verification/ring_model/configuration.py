"""The bounds of a search and the rule that is broken. Made by the tests and the command line."""

from __future__ import annotations

from dataclasses import dataclass

from verification.ring_model.flaws import Flaw

KINDS = "ptTL"
"""Messages: p plain, t with a ticket, T with two, L plain, with as many bytes as two others."""


@dataclass(frozen=True)
class Configuration:
    """The bounds of a search.

    Raises ValueError if a bound is too small, or a message is of an unknown kind.

    >>> Configuration(puts=("pt", "p")).n_messages
    3
    """

    puts: tuple[str, ...] = ("t", "p")
    """For each producer or publisher: the kinds of its messages, of `p`, `t`, `T`, `L`."""
    gets: tuple[int, ...] = (1, 1)
    """For each consumer or subscriber: how often it gets or reads."""
    cells: int = 2
    batch: int = 1
    """How many messages a consumer takes at once."""
    ticks: int = 2
    """Entries for tickets."""
    deaths: int = 1
    """Maximum number of processes that are killed."""
    faults: int = 0
    """Maximum number of exceptions: put gives up, get gives back or stops waiting."""
    unlinks: bool = False
    """Whether the first producer unlinks the ring when it has put its messages."""
    closes: bool = False
    """Whether producers close the queue when they have put their messages, and consumers get until all
    producers have."""
    newcomers: bool = False
    """Whether the slot of a dead process is reaped and taken by another process, which does nothing."""
    fine: bool = False
    """Whether a wait and a wake are several steps: the futex, the flag, the look, the system call."""
    slices: bool = False
    """Whether waits end after their slice also if no process was killed."""
    topic: bool = False
    """Whether the ring is a topic."""
    block: bool = False
    """Whether publishers wait for subscribers."""
    flaw: Flaw | None = None
    """The rule that is broken, or None."""

    def __post_init__(self) -> None:
        for name, least in {"cells": 1, "batch": 1, "ticks": 1, "deaths": 0, "faults": 0}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least {least}")
        for kinds in self.puts:
            if not kinds or set(kinds) - set(KINDS):
                raise ValueError(f"puts has {kinds!r}; give one or more of {', '.join(KINDS)}")
        if "L" in "".join(self.puts) and self.cells < 2:
            raise ValueError("a large message does not fit into one cell's bytes; give 2 cells")
        if self.block and not self.topic:
            raise ValueError("block is a policy of topics; give topic too")

    @property
    def n_messages(self) -> int:
        """The number of messages of all producers."""
        return sum(map(len, self.puts))
