"""What the logger "pagebuddy" is told of an arena: reaped processes, expired handles, a full arena.

Nothing is logged while the arena's lock is owned, or on the way of an allocation that finds pages. What
an operation noted is told when this process attaches, after it reaps, and when it leaves a block of
`numpy_memory`. Whether the arena is nearly full is looked at then, when an allocation has failed, and
when figures are collected for Prometheus.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from pagebuddy.arguments import counted, in_bytes
from pagebuddy.core.words import (
    FIRST_NODE,
    G_FREE,
    G_LINK,
    GROUP_ORDER,
    GROUP_WORDS,
    H_ASIDE,
    H_FRONT,
    H_HIGH_WATER,
    N_LISTS,
    WAIT_WORDS,
    in_list,
    low,
    pages_in,
)
from pagebuddy.sharing.layout import WORD
from pagebuddy.sharing.system.process import name_in_words
from pagebuddy.sharing.words import (
    NOTE_DEAD,
    NOTE_EXPIRED,
    NOTE_REAPED,
    SLOT_NAME_WORDS,
)

if TYPE_CHECKING:
    from pagebuddy.memory.medium import Medium
    from pagebuddy.sharing.attached import Attached

FULL = 0.90
"""The share of the pages in use from which an arena counts as nearly full."""

NOT_FULL = 0.85
"""Below this share it does not any more: figures that waver around one limit are told once."""

# Those of logging, which is not imported before it is needed.
WARNING, INFO = 30, 20

# Of the bytes of a word, that with the highest bits.
_TOP_BYTE = WORD - 1 if sys.byteorder == "little" else 0

# So many processes are named in a message.
_MOST_NAMED = 10

# The ids of arenas that were nearly full when this process looked last.
_full: dict[int, object] = {}
# So many are remembered at most.
_MOST_FULL = 1000


def tell(a: Attached) -> None:
    """Log what this process noted, and whether the arena is nearly full. Never raises an error."""
    if a.has_notes:
        _tell_notes(a, a.take_notes())
    tell_if_full(a, _used_pages(a))


def tell_if_full(a: Attached, used_pages: int) -> None:
    """Log that an arena is nearly full, if so many pages are in use; see `note_use`."""
    note_use(a.layout.arena_id, a.medium, used_pages, a.layout.n_pages, a.layout.page_size)


def note_use(arena_id: int, medium: Medium | str, used: int, total: int, page_size: int) -> None:
    """Log that an arena is nearly full, once until it has room again.

    `medium` is that of the arena, or its name. Pages that no run of free ones may serve count as free.
    """
    share = used / total
    if share < NOT_FULL:
        _full.pop(arena_id, None)
        return
    if len(_full) >= _MOST_FULL:
        # A program that makes and drops full arenas all the time.
        _full.clear()
    mark = object()
    # In one step, so that of two threads one tells it.
    if share >= FULL and _full.setdefault(arena_id, mark) is mark:
        name = medium if isinstance(medium, str) else name_of(medium, arena_id)
        _log(
            WARNING,
            "arena %s is %.0f %% full: %s of %s are in use; drop arrays, or create a larger arena",
            name,
            # Not 100 as long as there are pages.
            min(int(share * 100), 100),
            in_bytes(used * page_size),
            in_bytes(total * page_size),
            arena=name,
            used_bytes=used * page_size,
            size_bytes=total * page_size,
        )


def name_of(medium: Medium, arena_id: int) -> str:
    """The name of an arena for people: its name, its path, or what it is and the start of its id."""
    return getattr(medium, "place", "") or f"anonymous-{arena_id >> 96:08x}"


def _used_pages(a: Attached) -> int:
    """How many pages are in use, read without the lock: it may be a few more or less meanwhile.

    If that is not worth counting, as all pages that were ever used are not enough to be told: so many.
    """
    words, layout = a.words_of_engine(), a.layout
    end = min(max(int(words[H_HIGH_WATER]) - FIRST_NODE, 0), layout.n_pages)
    if end < NOT_FULL * layout.n_pages:
        return end
    n_groups = -(-end >> GROUP_ORDER)
    end = min(n_groups << GROUP_ORDER, layout.n_pages)
    first = layout.geometry.groups_at + GROUP_WORDS * N_LISTS
    groups = words[first : first + GROUP_WORDS * n_groups]
    free = int.from_bytes(groups[G_FREE::GROUP_WORDS].tobytes(), "little").bit_count()
    # For each group, the byte that says in which list it is.
    lists = groups[G_LINK::GROUP_WORDS].tobytes()[_TOP_BYTE::WORD]
    for order in range(GROUP_ORDER, layout.max_order + 1):
        mark = bytes([in_list(order) >> 56])
        last = lists.rfind(mark)
        if last >= 0:
            beyond = (last << GROUP_ORDER) + (1 << order) - end
            free += (lists.count(mark) << order) - max(beyond, 0)
    free += sum(int(pages_in(words[at])) for at in (H_ASIDE, H_FRONT))
    waiting = layout.geometry.records_at
    free += sum(int(low(words[waiting + WAIT_WORDS * k])) << k for k in range(GROUP_ORDER))
    return min(max(end - free, 0), layout.n_pages)


def _tell_notes(a: Attached, notes: list[tuple[int, ...]]) -> None:
    name, page_size = name_of(a.medium, a.layout.arena_id), a.layout.page_size
    dead: list[tuple[int, str]] = []
    for kind, count, *rest in notes:
        if kind == NOTE_DEAD:
            dead.append((count, name_in_words(rest[:SLOT_NAME_WORDS])))
            continue
        n_buffers, n_bytes = rest[0], rest[1] * page_size
        freed = f"{counted(n_buffers, 'buffer')} of {in_bytes(n_bytes)}"
        if kind == NOTE_REAPED:
            named = [f"{pid} {name}".rstrip() for pid, name in dead[:_MOST_NAMED]]
            if count > len(named):
                named.append(f"{count - len(named)} more")
            _log(
                # Children that end by `os._exit`, as those of multiprocessing do, are reaped as well.
                WARNING if n_buffers else INFO,
                "arena %s: reaped %s (%s); freed %s",
                name,
                "1 dead process" if count == 1 else f"{count} dead processes",
                ", ".join(named),
                freed,
                arena=name,
                pids=[pid for pid, _ in dead],
                freed_bytes=n_bytes,
            )
            dead = []
        elif kind == NOTE_EXPIRED:
            _log(
                WARNING,
                "arena %s: %s expired, which nobody had claimed; freed %s",
                name,
                counted(count, "handle"),
                freed,
                arena=name,
                handles=count,
                freed_bytes=n_bytes,
            )


def _log(level: int, message: str, *figures: object, **extra: object) -> None:
    """Log a message. What a handler raises must not make an allocation fail."""
    if sys.is_finalizing():
        return
    with suppress(Exception):
        # Few programs get here, and the module takes time to import.
        from logging import getLogger

        logger = getLogger("pagebuddy")
        # Otherwise logging prints warnings on stderr, where the command and many programs print nothing.
        if logger.hasHandlers():
            logger.log(level, message, *figures, extra=extra)
