"""The naive model of an arena: its pages, and the names of the processes that hold each buffer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from pagebuddy.testing.model import NaiveAllocator


@dataclass
class NaiveBuffer:
    """A live buffer.

    `holders` counts the objects of each process. `tickets` has the size in bytes that each outstanding
    handle shows. `key` is None if the buffer is not kept, and "" if it is kept without a key. `kind` is
    what it is kept as, "buffer" or "object": each kind has its own keys. `nbytes` is the size in the
    directory if it is kept. `contents` are its first bytes, as far as they are known.
    """

    n_pages: int
    holders: Counter[str] = field(default_factory=Counter)
    tickets: dict[Hashable, int] = field(default_factory=dict)
    key: str | None = None
    kind: str | None = None
    nbytes: int = 0
    contents: bytearray = field(default_factory=bytearray)

    @property
    def is_needed(self) -> bool:
        """Whether the buffer has a holder or a ticket, or is kept."""
        return bool(self.holders or self.tickets or self.key is not None)


class NaiveArena:
    """The specification of an arena, with named processes: which are alive, and what each holds.

    The caller tells the model which pages and handles the arena chose. A buffer is live as long as a
    process holds it (dead or alive), it is kept, or a ticket names it.

    >>> arena = NaiveArena(8)
    >>> arena.attach("me")
    >>> arena.alloc(0, 5, "me")
    >>> arena.send(0, "a handle", 100)
    >>> arena.let_go(0, "me")
    >>> arena.rows()
    {(0, 5, None, None, None, frozenset(), 1)}
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
        """Add a process. Attaching reaps the dead."""
        self.reap()
        self.alive.add(who)

    def fork(self, parent: str, child: str) -> None:
        """Add a process that holds what its parent holds, object by object."""
        self.alive.add(child)
        for buffer in self.buffers.values():
            if parent in buffer.holders:
                buffer.holders[child] = buffer.holders[parent]

    def detach(self, who: str) -> None:
        """Remove a process that detaches, and end its holds."""
        self.alive.remove(who)
        self._end_holds({who})

    def die(self, who: str) -> None:
        """Kill a process. Its holds stay until it is reaped."""
        self.alive.remove(who)
        self.dead.add(who)

    def reap(self) -> int:
        """End the holds of all dead processes. Return how many there were."""
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
        """Return whether an allocation must succeed. If there is no room, reap the dead first."""
        if n_pages > len(self.pages.pages):
            return False
        if not self.pages.fits(n_pages, align=align):
            self.reap()
        return self.pages.fits(n_pages, align=align)

    def alloc(self, page: int, n_pages: int, who: str) -> None:
        """Add a buffer of a process. Raises `AssertionError` if its pages are not free."""
        self.pages.take(page, n_pages)
        self.buffers[page] = NaiveBuffer(n_pages, Counter([who]))

    def hold(self, page: int, who: str) -> None:
        """Add one object of a process for a buffer."""
        self.buffers[page].holders[who] += 1

    def let_go(self, page: int, who: str) -> None:
        """Remove one object of a process for a buffer."""
        holders = self.buffers[page].holders
        holders[who] -= 1
        if not holders[who]:
            del holders[who]
        self._settle(page)

    def is_held_by_one_object(self, page: int) -> bool:
        """Return whether a single object of one process is all that refers to a buffer."""
        buffer = self.buffers[page]
        return buffer.holders.total() == 1 and not buffer.tickets and buffer.key is None

    def resize(self, page: int, n_pages: int) -> None:
        """Change a buffer's number of pages."""
        buffer = self.buffers[page]
        if n_pages != buffer.n_pages:
            self.pages.resize(page, n_pages)
            buffer.n_pages = n_pages

    # Handles and keys

    def send(self, page: int, handle: Hashable, nbytes: int) -> None:
        """Add a handle that shows `nbytes` bytes of a buffer."""
        self.buffers[page].tickets[handle] = nbytes

    def page_of(self, handle: Hashable) -> int | None:
        """Return the page of a handle's buffer, or None if the handle was claimed or has ended."""
        return next((page for page, b in self.buffers.items() if handle in b.tickets), None)

    def claim(self, handle: Hashable, who: str) -> int:
        """End a handle and add an object of a process. Return the buffer's page."""
        page = self.page_of(handle)
        if page is None:
            raise AssertionError(f"{handle!r} was claimed or has ended")
        self.hold(page, who)
        del self.buffers[page].tickets[handle]
        return page

    def end_handles(self) -> None:
        """End all outstanding handles."""
        for page, buffer in list(self.buffers.items()):
            buffer.tickets.clear()
            self._settle(page)

    @property
    def n_tickets(self) -> int:
        """The number of outstanding handles."""
        return sum(len(buffer.tickets) for buffer in self.buffers.values())

    @property
    def kept(self) -> dict[int, str]:
        """The key of each kept buffer, by page; "" without a key."""
        return {page: b.key for page, b in self.buffers.items() if b.key is not None}

    def keys(self, kind: str = "buffer") -> list[str]:
        """Return the keys of a kind that are in use, in alphabetical order."""
        return sorted(b.key for b in self.buffers.values() if b.key and b.kind == kind)

    def page_under(self, key: str, kind: str = "buffer") -> int | None:
        """Return the page of the buffer that is kept under a key, or None."""
        found = (page for page, b in self.buffers.items() if b.key == key and b.kind == kind)
        return next(found, None) if key else None

    def is_kept_so(self, page: int, key: str, kind: str = "buffer") -> bool:
        """Return whether a buffer is kept already and has this key; any key will do for ""."""
        buffer = self.buffers[page]
        return buffer.key is not None and (not key or (buffer.key, buffer.kind) == (key, kind))

    def keep(self, page: int, key: str, nbytes: int, kind: str = "buffer") -> None:
        """Keep `nbytes` bytes of a buffer under a key. The buffer that had the key is unkept."""
        buffer = self.buffers[page]
        buffer.nbytes = nbytes
        if self.is_kept_so(page, key, kind):
            return
        former = self.page_under(key, kind)
        buffer.key, buffer.kind = key, kind
        if former is not None:
            self.unkeep(former)

    def unkeep(self, page: int) -> None:
        """Stop keeping a buffer."""
        self.buffers[page].key = self.buffers[page].kind = None
        self._settle(page)

    def _settle(self, page: int) -> None:
        if not self.buffers[page].is_needed:
            del self.buffers[page]
            self.pages.give_back(page)

    # Comparing

    def rows(self) -> set[tuple[Any, ...]]:
        """Return page, pages, key, kind, bytes if kept, holders and number of tickets of each buffer."""
        return {
            (
                page,
                b.n_pages,
                b.key,
                b.kind,
                None if b.key is None else b.nbytes,
                frozenset(b.holders),
                len(b.tickets),
            )
            for page, b in self.buffers.items()
        }

    def figures(self) -> dict[str, Any]:
        """Return what `Arena.stats` must report."""
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
        """Compare with what an arena reports. Raises `AssertionError` if they differ."""
        expected = self.rows()
        if rows != expected:
            raise AssertionError(
                f"the arena reports buffers {sorted(rows - expected, key=str)}, expected "
                f"{sorted(expected - rows, key=str)}; all other buffers agree"
            )
        for name, figure in self.figures().items():
            found = getattr(stats, name)
            if found != figure:
                raise AssertionError(f"{name} is {found}; expected {figure}")
