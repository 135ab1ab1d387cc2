"""The naive model of an arena: its pages, and by name who needs which buffer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from pagebuddy.testing.model import NaiveAllocator


@dataclass
class NaiveBuffer:
    """A live buffer.

    `holders` counts the objects of each process, `tickets` the bytes that each handle on its way shows.
    `key` is None where it is not kept, and "" where it is kept without a key; `nbytes` is what the
    directory tells of a kept one. `contents` are its first bytes, as far as they are known.
    """

    n_pages: int
    holders: Counter[str] = field(default_factory=Counter)
    tickets: dict[Hashable, int] = field(default_factory=dict)
    key: str | None = None
    nbytes: int = 0
    contents: bytearray = field(default_factory=bytearray)

    @property
    def is_needed(self) -> bool:
        """Whether anybody holds it, it is kept, or a handle to it is on its way."""
        return bool(self.holders or self.tickets or self.key is not None)


class NaiveArena:
    """What an arena must do, said with names of processes: who is alive, and who holds what.

    It chooses neither pages nor handles: it is told them. The following holds: a buffer is live as long
    as somebody holds it, dead or alive, it is kept, or a ticket names it.

    >>> arena = NaiveArena(8)
    >>> arena.attach("me")
    >>> arena.alloc(0, 5, "me")
    >>> arena.send(0, "a handle", 100)
    >>> arena.let_go(0, "me")
    >>> arena.rows()
    {(0, 5, None, None, frozenset(), 1)}
    >>> arena.claim("a handle", "me"), arena.let_go(0, "me"), arena.rows()
    (0, None, set())
    """

    def __init__(self, n_pages: int, max_order: int | None = None) -> None:
        self.pages = NaiveAllocator([(0, n_pages)], max_order)
        self.buffers: dict[int, NaiveBuffer] = {}
        self.alive: set[str] = set()
        self.dead: set[str] = set()

    # Processes

    def attach(self, who: str) -> None:
        """A process is there; it has found the dead."""
        self.reap()
        self.alive.add(who)

    def fork(self, parent: str, child: str) -> None:
        """A process is there that holds what its parent holds, object by object."""
        self.alive.add(child)
        for buffer in self.buffers.values():
            if parent in buffer.holders:
                buffer.holders[child] = buffer.holders[parent]

    def detach(self, who: str) -> None:
        """A process leaves in order: its holds end."""
        self.alive.remove(who)
        self._end_holds({who})

    def die(self, who: str) -> None:
        """A process is killed: what it held is held until somebody finds out."""
        self.alive.remove(who)
        self.dead.add(who)

    def reap(self) -> int:
        """Somebody finds out who is dead; how many."""
        n_dead = len(self.dead)
        self._end_holds(self.dead)
        self.dead.clear()
        return n_dead

    def _end_holds(self, gone: set[str]) -> None:
        for page, buffer in list(self.buffers.items()):
            for who in gone & buffer.holders.keys():
                del buffer.holders[who]
            self._settle(page)

    # Buffers

    def has_room(self, n_pages: int, align: int = 1) -> bool:
        """Whether an allocation must succeed; where it cannot at once, the dead are reaped for it."""
        if n_pages > len(self.pages.pages):
            return False
        if not self.pages.fits(n_pages, align=align):
            self.reap()
        return self.pages.fits(n_pages, align=align)

    def alloc(self, page: int, n_pages: int, who: str) -> None:
        """A process has a new buffer. `AssertionError` where its pages were not free."""
        self.pages.take(page, n_pages)
        self.buffers[page] = NaiveBuffer(n_pages, Counter([who]))

    def hold(self, page: int, who: str) -> None:
        """A process has one more object for a buffer."""
        self.buffers[page].holders[who] += 1

    def let_go(self, page: int, who: str) -> None:
        """A process has one object less for a buffer."""
        holders = self.buffers[page].holders
        holders[who] -= 1
        if not holders[who]:
            del holders[who]
        self._settle(page)

    def is_held_by_one_object(self, page: int) -> bool:
        """Whether nobody but the one object that some process has can see a buffer."""
        buffer = self.buffers[page]
        return buffer.holders.total() == 1 and not buffer.tickets and buffer.key is None

    def resize(self, page: int, n_pages: int) -> None:
        """A buffer is that long now."""
        buffer = self.buffers[page]
        if n_pages != buffer.n_pages:
            self.pages.resize(page, n_pages)
            buffer.n_pages = n_pages

    # Handles and keys

    def send(self, page: int, handle: Hashable, nbytes: int) -> None:
        """A handle to a buffer is on its way, and shows so many bytes of it."""
        self.buffers[page].tickets[handle] = nbytes

    def page_of(self, handle: Hashable) -> int | None:
        """The buffer that a handle names; None where it was claimed or ended."""
        return next((page for page, b in self.buffers.items() if handle in b.tickets), None)

    def claim(self, handle: Hashable, who: str) -> int:
        """A process has one more object, and the handle is done for; the buffer's page."""
        page = self.page_of(handle)
        if page is None:
            raise AssertionError(f"{handle!r} was claimed, or ended")
        self.hold(page, who)
        del self.buffers[page].tickets[handle]
        return page

    def end_handles(self) -> None:
        """All handles on their way end."""
        for page, buffer in list(self.buffers.items()):
            buffer.tickets.clear()
            self._settle(page)

    @property
    def n_tickets(self) -> int:
        """How many handles are on their way."""
        return sum(len(buffer.tickets) for buffer in self.buffers.values())

    @property
    def kept(self) -> dict[int, str]:
        """The keys of kept buffers by page, "" for none."""
        return {page: b.key for page, b in self.buffers.items() if b.key is not None}

    def page_under(self, key: str) -> int | None:
        """The buffer that is kept under a key."""
        return next((page for page, other in self.kept.items() if key and other == key), None)

    def keep(self, page: int, key: str, nbytes: int) -> None:
        """A buffer is kept, so many bytes of it; whatever had the key is kept no longer."""
        buffer = self.buffers[page]
        again = buffer.key is not None and key in ("", buffer.key)
        buffer.nbytes = nbytes
        if again:
            return
        former = self.page_under(key)
        buffer.key = key
        if former is not None:
            self.unkeep(former)

    def unkeep(self, page: int) -> None:
        """A buffer is kept no longer."""
        self.buffers[page].key = None
        self._settle(page)

    def _settle(self, page: int) -> None:
        if not self.buffers[page].is_needed:
            del self.buffers[page]
            self.pages.give_back(page)

    # Comparing

    def rows(self) -> set[tuple[Any, ...]]:
        """Page, pages, key, bytes if kept, holders and number of tickets of each buffer."""
        return {
            (
                page,
                b.n_pages,
                b.key,
                None if b.key is None else b.nbytes,
                frozenset(b.holders),
                len(b.tickets),
            )
            for page, b in self.buffers.items()
        }

    def figures(self) -> dict[str, Any]:
        """What `Arena.stats` must tell."""
        orders = Counter(order for _, order in self.pages.free_blocks())
        return {
            "n_pages": len(self.pages.pages),
            "used": sum(self.pages.spans.values()),
            "free": len(self.pages.free),
            "largest_free": self.pages.largest_free(),
            "free_blocks": tuple(orders[k] for k in range(self.pages.max_order + 1)),
            "n_spans": len(self.buffers),
            "processes": len(self.alive) + len(self.dead),
            "dead": len(self.dead),
            "tickets": self.n_tickets,
            "kept": len(self.kept),
        }

    def check(self, stats: Any, rows: set[tuple[Any, ...]]) -> None:
        """Compare with what an arena tells: `AssertionError` where they differ."""
        expected = self.rows()
        if rows != expected:
            raise AssertionError(
                f"buffers are {sorted(rows - expected, key=str)}, and must be "
                f"{sorted(expected - rows, key=str)}, besides those that agree"
            )
        for name, figure in self.figures().items():
            found = getattr(stats, name)
            if found != figure:
                raise AssertionError(f"{name} is {found}, and must be {figure}")
