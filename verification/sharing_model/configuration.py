"""The bounds of a search and the rule that is broken. Made by the tests and the command line."""

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
    "trims": 0,
    "receivers": 1,
    "threads": 1,
}


@dataclass(frozen=True)
class Configuration:
    """The bounds of a search. Raising one of them by one makes the search about ten times as large.

    Raises ValueError if a bound is too small, if there are more than two threads, or if more processes
    are attached at the start than there are processes or slots.

    >>> Configuration(procs=2, slots=2, deaths=1).born
    2
    """

    procs: int = 3
    """Maximum number of processes, including those that start or are forked later."""
    born: int = 2
    """Processes attached at the start. The others are forked, or start and attach."""
    pages: int = 1
    """Pages of the arena. Each buffer is one page until it grows."""
    slots: int = 3
    """Slots for processes."""
    ticks: int = 1
    """Entries for tickets."""
    sends: int = 2
    """Maximum number of sends by all processes together."""
    allocs: int = 2
    """Maximum number of allocations by all processes together."""
    deaths: int = 2
    """Maximum number of processes that are killed."""
    entries: int = 0
    """Entries of the directory. With 0, nothing is kept."""
    keys: int = 1
    """Number of keys besides the empty one."""
    threads: int = 1
    """Threads of each process that is attached at the start: 1 or 2."""
    replacements: int = 1
    """How often in a row a key or a buffer may be kept again."""
    trims: int = 0
    """Maximum number of free pages that are returned to the system. Each is a piece of its own."""
    receivers: int = 1
    """Maximum number of claims of a ticket. If more than one, tickets are also sent that can be claimed
    any number of times."""
    fork: bool = True
    """Whether processes fork."""
    withdraw: bool = False
    """Whether tickets are withdrawn one by one and expire all at once."""
    resize: bool = False
    """Whether buffers grow and shrink, one page at a time."""
    detach: bool = False
    """Whether processes detach and attach again."""
    join: bool = False
    """Whether processes open a buffer by its offset."""
    magazines: bool = False
    """Whether a process frees into its magazine and allocates from it, without the lock."""
    groups: bool = False
    """Whether tickets are sent in a group, and a process ends those left behind."""
    tied: bool = False
    """Whether tickets are sent that are tied to their senders, and processes let them expire."""
    lingering: bool = False
    """Whether the leases of a killed process end a little later than its lock."""
    flaw: Flaw | None = None
    """The rule that is broken, or None."""

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least {least}")
        if self.threads > 2:
            raise ValueError(f"threads is {self.threads}; give 1 or 2")
        if self.trims and self.threads > 1:
            raise ValueError("a fork while another thread trims is not modelled; give one thread")
        if self.groups and self.receivers > 1:
            raise ValueError("tickets of a group for several receivers are not modelled")
        if (self.groups or self.tied) and self.detach:
            name = "groups" if self.groups else "tied"
            raise ValueError(f"{name} and detach have no end of generations; give one of them")
        if self.groups and self.tied:
            raise ValueError("tied tickets of a group are not modelled; give groups or tied")
        if self.born > min(self.procs, self.slots):
            raise ValueError(
                f"{self.born} processes are attached at the start, of {self.procs} processes and"
                f" {self.slots} slots; give a smaller born, or more of these"
            )
