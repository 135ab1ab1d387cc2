"""Checks whether an arena is sound, and whether it can be repaired. Used by `check`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from pagebuddy.arena.looking.snapshot import Snapshot
from pagebuddy.errors import CorruptMetadata
from pagebuddy.sharing.words import A_BUSY, A_POISONED
from pagebuddy.tools.arenas.lookup import attached
from pagebuddy.tools.arenas.salvage import Found, buffers_in
from pagebuddy.tools.terminal.refusal import broken
from pagebuddy.tools.terminal.units import counted


@dataclass
class Examination:
    """The result of a check; `wrong` lists the damage and is empty for a sound arena.

    With `mends`, the next process that uses the arena repairs it and loses no buffer; without, `buffers`
    can only be saved.
    """

    name: str
    in_use: bool = False
    wrong: list[str] = field(default_factory=list)
    mends: bool = True
    processes: int = 0
    dead: int = 0
    buffers: list[Found] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """All fields by name, ready for JSON."""
        buffers = [buffer._asdict() for buffer in self.buffers]
        return asdict(self) | {"sound": not self.wrong, "buffers": buffers}


def examine(snapshot: Snapshot) -> Examination:
    """Check all invariants of an arena, given a copy that was not repaired.

    If no process is attached, checks the copy. Otherwise attaches and checks the arena under its lock,
    because the copy may mix two states.
    """
    found = Examination(snapshot.name, in_use=snapshot.is_in_use)
    found.buffers = buffers_in(snapshot)
    if snapshot.missing:
        found.wrong.append(
            f"the file is too short: {counted(snapshot.missing, 'byte')} are missing"
        )
        found.mends = False
        return found
    poisoned, busy = (bool(snapshot.words[at]) for at in (A_POISONED, A_BUSY))
    if poisoned:
        found.wrong.append(
            "its records contradict each other; the process that found this marked it as damaged"
        )
        found.mends = False
        return found
    if found.in_use:
        _prove_in_use(snapshot, found)
        return found
    if busy:
        found.wrong.append("a process died in the middle of an operation")
        snapshot.words[A_BUSY] = 0
    try:
        snapshot.verify()
    except CorruptMetadata as error:
        found.wrong.append(broken(error))
    try:
        snapshot.recover()
        _count(snapshot, found)
    except CorruptMetadata:
        found.mends = False
    return found


def _prove_in_use(snapshot: Snapshot, found: Examination) -> None:
    try:
        with attached(snapshot.path) as arena:
            arena.verify()
    except CorruptMetadata as error:
        found.wrong.append(broken(error))
    try:
        with Snapshot(snapshot.path) as now:
            _count(now, found)
    except CorruptMetadata:
        found.mends = False


def _count(snapshot: Snapshot, found: Examination) -> None:
    stats = snapshot.stats()
    found.processes, found.dead = stats.processes, stats.dead
    found.buffers = buffers_in(snapshot)
