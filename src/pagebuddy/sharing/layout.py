"""The layout of an arena: where each part lies, computed before anything is stored.

offset 0     header, slots, the engine's metadata, holds, directory, tickets; each starts a cache line
then         the pages, at a multiple of the page size or of the system's page size, the larger one
"""

from __future__ import annotations

import mmap
import os
from array import array
from binascii import crc32
from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from pagebuddy.allocator.geometry import CACHE_LINE_WORDS, Geometry
from pagebuddy.arguments import power_of_two, whole
from pagebuddy.core.words import BYTE_ORDER, MAX_PAGES, TOP_ORDER
from pagebuddy.errors import CorruptMetadata
from pagebuddy.memory.sizes import rounded_up
from pagebuddy.sharing.words import (
    A_BYTES,
    A_CHECKSUM,
    A_DATA,
    A_ENTRIES,
    A_ID_HIGH,
    A_ID_LOW,
    A_LIFE,
    A_LOCK,
    A_MAGIC,
    A_MAX_ORDER,
    A_PAGE_SIZE,
    A_PAGES,
    A_SLOTS,
    A_TICKETS,
    A_VERSION,
    ARENA_MAGIC,
    ARENA_VERSION,
    ARENA_WORDS,
    CHILDREN,
    ENTRY_WORDS,
    FIRST_WORD_SLOTS,
    LOCK_FILE,
    MORE_ENTRIES,
    MOST_LIFE_MS,
    MOST_NOTES,
    NOTE_WORDS,
    SLOT_WORDS,
    TICKET_WORDS,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

WORD = 8
LEAST_PAGE_SIZE = 64
LARGEST_PAGE_SIZE = 1 << 40
# The most slots that can be asked for; what is asked for is rounded up to whole words of holds.
MAX_SLOTS = 1 << 10
# The most kept buffers that can be asked for, and the bounds of the default.
MAX_KEYS = 1 << 20
_LEAST_KEYS, _MOST_KEYS = 1 << 10, 1 << 16

# Blocks of 2^18 pages, a GiB of 4 KiB pages: recovery reads at most one block beyond the pages that were
# ever used, and a run that is longer than a block is found by scanning.
_ORDER = 18
_MAX_BLOCKS = 64


def order_for_arena(n_pages: int) -> int:
    """Return the default of `max_order` for an arena of n_pages.

    >>> order_for_arena(5), order_for_arena(1 << 18), order_for_arena(1 << 28)
    (2, 18, 22)
    """
    largest = n_pages.bit_length() - 1
    return min(largest, max(_ORDER, (n_pages // _MAX_BLOCKS).bit_length() - 1), TOP_ORDER)


class Layout(NamedTuple):
    """The sizes from which everything else is computed; sizes of tables are in entries.

    `lock` is the kind of lock and, for a mutex, which one: see `attaching.lock_word`. `life_ms` is the
    default life of tickets, 0 for no limit.
    """

    page_size: int
    n_pages: int
    max_order: int
    n_slots: int
    n_entries: int
    n_tickets: int
    lock: int
    arena_id: int
    life_ms: int = 0

    @classmethod
    def of(
        cls,
        n_bytes: int,
        *,
        page_size: object = 4096,
        max_order: object = None,
        slots: object = 48,
        keys: object = None,
        lock: int = 0,
        life_ms: int = 0,
    ) -> Layout:
        """Return the layout of an arena with room for n_bytes, rounded up to pages.

        Raises TypeError and ValueError for wrong arguments.
        """
        size = power_of_two(page_size, "page_size", most=LARGEST_PAGE_SIZE)
        if size < LEAST_PAGE_SIZE:
            raise ValueError(f"page_size is {size}; it must be at least {LEAST_PAGE_SIZE}")
        n_pages = -(-n_bytes // size)
        if n_pages > MAX_PAGES:
            raise ValueError(
                f"size is {n_bytes}, which is {n_pages} pages of {size} bytes; an arena has at most "
                f"{MAX_PAGES}: choose a larger page_size"
            )
        order = order_for_arena(n_pages) if max_order is None else max_order
        wanted = min(max(n_pages // 16, _LEAST_KEYS), _MOST_KEYS) if keys is None else keys
        return cls(
            page_size=size,
            n_pages=n_pages,
            max_order=whole(order, "max_order", most=TOP_ORDER),
            n_slots=slots_in_words(whole(slots, "slots", least=2, most=MAX_SLOTS)),
            n_entries=whole(wanted, "keys", least=1, most=MAX_KEYS),
            n_tickets=min(max(n_pages // 16, 1024), 1 << 20),
            lock=lock,
            arena_id=int.from_bytes(os.urandom(16), "little"),
            life_ms=life_ms,
        )

    @classmethod
    def within(
        cls, n_bytes: int, *, page_size: object, max_order: object, keys: object = None
    ) -> Layout:
        """Return the layout of the largest arena that fits into n_bytes, for one process.

        Raises ValueError if there is no room for a page.
        """

        def scaled(n_pages: int) -> Layout:
            few = max(n_pages // 16, 4)
            layout = cls.of(
                n_pages * size,
                page_size=page_size,
                max_order=max_order,
                slots=FIRST_WORD_SLOTS,
                keys=min(few, _MOST_KEYS) if keys is None else keys,
            )
            return layout._replace(n_slots=CHILDREN + 1, n_tickets=few)

        size = cls.of(1, page_size=page_size, max_order=max_order, keys=keys).page_size
        most = min(n_bytes // size, MAX_PAGES)
        n_pages = bisect_left(range(1, most + 1), True, key=lambda n: scaled(n).n_bytes > n_bytes)
        if n_pages == 0:
            raise ValueError(
                f"memory has {n_bytes} bytes, too few for an arena with one page of {size} bytes; "
                f"give at least {scaled(1).n_bytes}"
            )
        return scaled(n_pages)

    @property
    def geometry(self) -> Geometry:
        """The engine's."""
        return Geometry(self.page_size, self.max_order, ((0, self.n_pages),))

    @property
    def words_of_holds(self) -> int:
        """How many words of holds a page has."""
        return 1 + -(-max(self.n_slots - FIRST_WORD_SLOTS, 0) // 64)

    @property
    def n_local_words(self) -> int:
        """How many words a process has for itself: one for each page, and its notes."""
        return self.n_pages + MOST_NOTES * NOTE_WORDS

    @property
    def slots_at(self) -> int:
        """The word where the slots start."""
        return ARENA_WORDS

    @property
    def metadata_at(self) -> int:
        """The word where the engine's metadata starts."""
        return self.slots_at + SLOT_WORDS * self.n_slots

    @property
    def records_at(self) -> int:
        """The word where the links start, those of the list heads first."""
        return self.metadata_at + self.geometry.records_at

    @property
    def holds_at(self) -> int:
        """The word where the holds start."""
        return rounded_up(self.metadata_at + self.geometry.n_words, CACHE_LINE_WORDS)

    @property
    def n_places(self) -> int:
        """How many entries the directory has, used or not."""
        return self.n_entries + MORE_ENTRIES

    @property
    def entries_at(self) -> int:
        """The word where the directory starts."""
        return rounded_up(self.holds_at + self.words_of_holds * self.n_pages, CACHE_LINE_WORDS)

    @property
    def tickets_at(self) -> int:
        """The word where the tickets start."""
        return self.entries_at + ENTRY_WORDS * self.n_places

    @property
    def data_at(self) -> int:
        """The byte where the pages start."""
        words = self.tickets_at + TICKET_WORDS * self.n_tickets
        # Memory for one process may lie anywhere and be small, so pages are aligned no more than words.
        grain = max(self.page_size, mmap.PAGESIZE) if self.lock else LEAST_PAGE_SIZE
        return rounded_up(words * WORD, grain)

    @property
    def data_bytes(self) -> int:
        """The size of the pages in bytes."""
        return self.n_pages * self.page_size

    @property
    def n_bytes(self) -> int:
        """The size of the arena in bytes, everything included."""
        return self.data_at + self.data_bytes

    def header(self) -> array[int]:
        """Return the fixed words."""
        header = array("Q", [0] * (A_CHECKSUM + 1))
        header[A_MAGIC] = ARENA_MAGIC
        header[A_VERSION] = BYTE_ORDER << 32 | ARENA_VERSION
        header[A_BYTES] = self.n_bytes
        header[A_PAGE_SIZE] = self.page_size
        header[A_PAGES] = self.n_pages
        header[A_MAX_ORDER] = self.max_order
        header[A_SLOTS] = self.n_slots
        header[A_ENTRIES] = self.n_entries
        header[A_TICKETS] = self.n_tickets
        header[A_LOCK] = self.lock
        header[A_ID_LOW] = self.arena_id & (1 << 64) - 1
        header[A_ID_HIGH] = self.arena_id >> 64
        header[A_DATA] = self.data_at
        header[A_LIFE] = self.life_ms
        header[A_CHECKSUM] = _checksum(header)
        return header

    @classmethod
    def read(cls, words: Sequence[int], n_bytes: int) -> Layout:
        """Return the layout that a header describes, if it is valid and there are n_bytes.

        Raises `CorruptMetadata`. Reads only the header.
        """
        if len(words) <= A_CHECKSUM:
            raise _unsound("it is at least as long as a header", f"it has {n_bytes} bytes")
        if words[A_MAGIC] != ARENA_MAGIC:
            raise _unsound(
                "it starts with b'PBARENA1'",
                f"not with {words[A_MAGIC].to_bytes(8, 'little')!r}",
            )
        if words[A_VERSION] >> 32 != BYTE_ORDER:
            raise _unsound(
                "it has this machine's byte order",
                f"the word for it and the version is {words[A_VERSION]:#x}",
            )
        version = words[A_VERSION] & 0xFFFF_FFFF
        if version != ARENA_VERSION:
            raise _unsound(
                f"it has version {ARENA_VERSION}",
                f"version {version} is another release's: use that release of pagebuddy, or remove it",
            )
        if _checksum(words) != words[A_CHECKSUM]:
            raise _unsound("its header has the right checksum", "the header was changed")
        layout = cls(
            page_size=words[A_PAGE_SIZE],
            n_pages=words[A_PAGES],
            max_order=words[A_MAX_ORDER],
            n_slots=words[A_SLOTS],
            n_entries=words[A_ENTRIES],
            n_tickets=words[A_TICKETS],
            lock=words[A_LOCK],
            arena_id=words[A_ID_HIGH] << 64 | words[A_ID_LOW],
            life_ms=words[A_LIFE],
        )
        layout._check(words[A_DATA], words[A_BYTES], n_bytes)
        return layout

    def _check(self, data_at: int, n_bytes: int, there: int) -> None:
        """Raise `CorruptMetadata` for a header with a right checksum that cannot be right."""
        sound = (
            self.page_size.bit_count() == 1
            and LEAST_PAGE_SIZE <= self.page_size <= LARGEST_PAGE_SIZE
            and 0 < self.n_pages <= MAX_PAGES
            and self.max_order <= TOP_ORDER
            and 2 <= self.n_slots <= MAX_SLOTS + 64
            and 0 < self.n_entries <= MAX_KEYS
            and 0 < self.n_tickets <= 1 << 20
            and self.lock & 0xFFFF_FFFF <= LOCK_FILE
            and self.life_ms <= MOST_LIFE_MS
        )
        if not sound or (data_at, n_bytes) != (self.data_at, self.n_bytes):
            raise _unsound("its header is consistent", "its sizes contradict each other")
        if there < n_bytes:
            raise _unsound("it is as long as its header says", f"it has {there} of {n_bytes} bytes")


def slots_in_words(wanted: int) -> int:
    """Return the number of slots, at least as many as wanted, whose bits fill whole words of holds.

    >>> slots_in_words(2), slots_in_words(49), slots_in_words(113)
    (48, 112, 176)
    """
    return FIRST_WORD_SLOTS + rounded_up(max(wanted - FIRST_WORD_SLOTS, 0), 64)


def _checksum(words: Sequence[int]) -> int:
    return crc32(array("Q", words[:A_CHECKSUM]).tobytes())


def _unsound(invariant: str, detail: str) -> CorruptMetadata:
    return CorruptMetadata(
        f"this is an arena: {invariant}",
        detail,
        advice="give the name, path or descriptor of an arena, or create a new one",
    )
