"""How large the searched world is, and which rule is broken in it."""

from __future__ import annotations

from dataclasses import dataclass

from verification.sharing_model.flaws import Flaw

LEAST = {
    "procs": 1,
    "born": 1,
    "pages": 1,
    "slots": 1,
    "ticks": 0,
    "sends": 0,
    "allocs": 0,
    "deaths": 0,
    "entries": 0,
    "keys": 0,
    "replacements": 0,
    "threads": 1,
}


@dataclass(frozen=True)
class Configuration:
    """The bounds of a search. The number of states grows by about ten with each of them.

    ValueError for a bound that is too small, more than two threads, or more processes at the start than
    there are processes or slots.

    >>> Configuration(procs=2, slots=2, deaths=1).born
    2
    """

    procs: int = 3
    """Processes that may ever live."""
    born: int = 2
    """Processes attached at the start; the others are forked, or start and attach."""
    pages: int = 1
    """Pages of the arena; each buffer is one page until it grows."""
    slots: int = 3
    """Slots for processes."""
    ticks: int = 1
    """Entries for tickets."""
    sends: int = 2
    """Sends, all processes together."""
    allocs: int = 2
    """Allocations, all processes together."""
    deaths: int = 2
    """Processes killed."""
    entries: int = 0
    """Entries of the directory; without any, nothing is kept."""
    keys: int = 1
    """Keys beside the empty one."""
    threads: int = 1
    """Threads of each process that is attached at the start: one or two."""
    replacements: int = 1
    """How often a key or a buffer is kept anew without a break."""
    fork: bool = True
    """Whether processes fork."""
    withdraw: bool = False
    """Whether tickets end unclaimed, one at a time and all at once."""
    resize: bool = False
    """Whether buffers grow and shrink, a page at a time."""
    detach: bool = False
    """Whether processes detach, and attach again."""
    join: bool = False
    """Whether processes ask for a buffer by its place."""
    magazines: bool = False
    """Whether a process drops into its magazine, and allocates from it, without the lock."""
    lingering: bool = False
    """Whether a killed process has its leases a little longer than the lock."""
    flaw: Flaw | None = None
    """The rule that is broken, if one is."""

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least {least}")
        if self.threads > 2:
            raise ValueError(f"threads is {self.threads}; give 1 or 2")
        if self.born > min(self.procs, self.slots):
            raise ValueError(
                f"{self.born} processes are attached at the start, of {self.procs} processes and"
                f" {self.slots} slots; give a smaller born, or more of these"
            )
