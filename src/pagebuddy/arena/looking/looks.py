"""Looking at several arenas at once, without attaching: what there is, and why one cannot be read."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from fnmatch import fnmatchcase
from typing import NamedTuple

from pagebuddy.arena.arena import Arena
from pagebuddy.arena.looking.files import Foreign, named_arenas, path_of, told
from pagebuddy.arena.looking.rings import RingRow, rings_of
from pagebuddy.arena.looking.snapshot import Snapshot
from pagebuddy.errors import ArenaClosed, ArenaNotFound, CorruptMetadata
from pagebuddy.sharing.joining.listing import kept_in
from pagebuddy.sharing.joining.telling import name_of, note_use
from pagebuddy.sharing.joining.unclaimed_handles import totals_of
from pagebuddy.sharing.words import LOCK_NONE

# A process that has the lock for longer, and changes nothing meanwhile, is stopped.
LOCKED_S = 0.1
_PAUSE_S = 0.01

_WILD = frozenset("*?[")


class Source(NamedTuple):
    """What is to be looked at: an arena of this process, or a file; whether it was named by the user."""

    name: str
    arena: Arena | None = None
    path: str = ""
    must_be: bool = True


class Look:
    """What was found of one arena, and the reason if it is not up."""

    def __init__(self, source: Source, end: float | None, open_ones: ExitStack) -> None:
        self.source = source
        self.at = time.monotonic()
        self.reason: str | None = ""
        self.snapshot: Snapshot | None = None
        self.rings: list[RingRow] = []
        try:
            self._look(end, open_ones)
        except ArenaClosed:
            self.reason = "closed"
        except ArenaNotFound:
            # What was found a moment ago and is gone is not reported at all.
            self.reason = "missing" if source.must_be else None
        except Foreign:
            self.reason = "not an arena" if source.must_be else None
        except CorruptMetadata:
            self.reason = "damaged"
        except PermissionError:
            self.reason = "denied"
        except TimeoutError:
            self.reason = "late"
        except Exception as error:
            # Such as MemoryError. The others are still reported.
            self.reason = type(error).__name__

    def _look(self, end: float | None, open_ones: ExitStack) -> None:
        view: Arena | Snapshot | None = self.source.arena
        if view is None or not view._open.locks_by(LOCK_NONE):
            path = self.source.path
            view = Snapshot(path, end=end) if view is None else Snapshot.of(view._open, end)
            self.snapshot = open_ones.enter_context(view)
        a = view._open
        self.stats = view.stats()
        kept = kept_in(a)
        if self.snapshot:
            self.rings = rings_of(self.snapshot, kept, brief=True)
        self.kinds = dict.fromkeys(("buffer", "object", "queue", "topic"), 0)
        for kind, *_ in kept:
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
        _, n_bytes, age, *_ = totals_of(a)
        self.others = {
            "max_processes": a.layout.n_slots - 1,
            "unclaimed_bytes": n_bytes,
            "oldest_unclaimed_handle_seconds": age,
            "queues": self.kinds["queue"],
            "topics": self.kinds["topic"],
        }
        stats = self.stats
        note_use(a.layout.arena_id, self.source.name, stats.used, stats.n_pages, stats.page_size)


def _name_of(arena: Arena) -> str:
    try:
        a = arena._open
    except ArenaClosed:
        return "closed"
    return name_of(a.medium, a.layout.arena_id)


def _is_mine(path: str) -> bool:
    try:
        return os.lstat(path).st_uid == os.geteuid()
    except OSError:
        return False


def _find_locked(looks: list[Look]) -> None:
    """Mark the arenas in which one operation goes on, and nothing changes, for `LOCKED_S`."""

    def is_still(look: Look) -> bool:
        return look.snapshot is not None and look.snapshot.is_still_busy()

    still = [look for look in looks if is_still(look)]
    while still and time.monotonic() < max(look.at for look in still) + LOCKED_S:
        time.sleep(_PAUSE_S)
        still = [look for look in still if is_still(look)]
    for look in still:
        look.reason = look.reason or "locked"


def check_arenas(arenas: Iterable[Arena | str]) -> None:
    """Raise TypeError or ValueError if one is neither an arena, nor text that can name some."""
    for arena in arenas:
        if not isinstance(arena, (Arena, str)):
            raise TypeError(f"arenas has {arena!r}; it must be an Arena, or text")
        if isinstance(arena, str) and not _WILD & set(arena):
            path_of(arena)


def looks_at(
    arenas: tuple[Arena | str, ...], end: float | None, open_ones: ExitStack
) -> list[Look]:
    """Look at arenas, at those with these names and paths, and at all whose names match a pattern.

    Each once; without any, at all named arenas of this user. What is opened is closed with `open_ones`.
    An arena that cannot be read before `end`, a time of `time.monotonic`, is not read.
    """
    sources: dict[str, Source] = {}
    for source in _sources(arenas):
        sources.setdefault(source.name, source)
    looks = [Look(source, end, open_ones) for source in sources.values()]
    _find_locked(looks)
    return looks


def _sources(arenas: tuple[Arena | str, ...]) -> Iterator[Source]:
    named: list[tuple[str, bool]] | None = None
    for each in arenas or ("*",):
        if isinstance(each, Arena):
            yield Source(_name_of(each), arena=each)
        elif not _WILD & set(each):
            yield Source(told(path_of(each)), path=path_of(each))
        else:
            named = list(named_arenas()) if named is None else named
            for path, is_readable in named:
                mine = bool(arenas) or _is_mine(path)
                if is_readable and mine and fnmatchcase(told(path), each):
                    yield Source(told(path), path=path, must_be=False)
