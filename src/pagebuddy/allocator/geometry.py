"""The geometry of an allocator's metadata: where each word lies. Computed before anything is stored.

offset 0          header: geometry, variables
HEADER_WORDS      table: first page and number of pages of each page range
then, aligned     groups: the list heads, then the groups of each page range
then, aligned     records: places where spans wait, then one word a page
"""

from __future__ import annotations

from array import array
from binascii import crc32
from collections.abc import Iterable
from operator import index
from typing import NamedTuple, SupportsIndex, TypeAlias

from pagebuddy.allocator.ranges import PageRanges
from pagebuddy.arguments import PAGE_NUMBERS, power_of_two, whole
from pagebuddy.core.words import (
    BYTE_ORDER,
    FIRST_NODE,
    GROUP_ORDER,
    GROUP_WORDS,
    H_CHECKSUM,
    H_MAGIC,
    H_MAX_ORDER,
    H_PAGE_SIZE,
    H_PAGES,
    H_SECTIONS,
    H_VERSION,
    H_WORDS,
    HEADER_WORDS,
    MAGIC,
    MAX_GROUPS,
    MAX_PAGES,
    N_LISTS,
    TABLE_WORDS,
    TOP_ORDER,
    VERSION,
)
from pagebuddy.errors import CorruptMetadata

RangesLike: TypeAlias = "PageRanges | SupportsIndex | Iterable[tuple[SupportsIndex, SupportsIndex]]"
"""The pages of an allocator: a number of pages, or page ranges in any form."""

CACHE_LINE_WORDS = 8
LARGEST_PAGE_SIZE = 1 << 62

# As many have at most as many groups as can be linked.
MAX_SECTIONS = MAX_GROUPS - N_LISTS - (MAX_PAGES >> GROUP_ORDER) >> 1

# recover() cannot help if the geometry is damaged.
NOT_OURS = (
    "attach the bytes of BuddyAllocator.metadata, complete and unchanged, or make a new allocator"
)


def rounded_up(words: int) -> int:
    """Return the index of the next cache line's first word.

    >>> rounded_up(64), rounded_up(65)
    (64, 72)
    """
    return -(-words // CACHE_LINE_WORDS) * CACHE_LINE_WORDS


def largest_order(first: int, n: int) -> int:
    """Return the order of the largest block that lies within n pages from first.

    >>> largest_order(0, 7), largest_order(3, 5), largest_order(3, 4)
    (2, 2, 1)
    """
    order = n.bit_length() - 1
    while -(-first // (1 << order) << order) + (1 << order) > first + n:
        order -= 1
    return order


class Geometry(NamedTuple):
    """Page size in bytes, largest order, and page ranges in address order, adjacent ones joined."""

    page_size: int
    max_order: int
    sections: tuple[tuple[int, int], ...]

    @classmethod
    def of(
        cls,
        ranges: RangesLike,
        page_size: object = 4096,
        max_order: object = None,
    ) -> Geometry:
        """Return the geometry for the arguments of `BuddyAllocator`, which are checked."""
        if not isinstance(ranges, PageRanges):
            try:
                # An array of pairs has an `__index__`, too, which raises.
                n_pages = index(ranges)  # type: ignore[arg-type]
            except TypeError:
                if not isinstance(ranges, Iterable):
                    raise TypeError(
                        f"ranges is {ranges!r}; it must be a number of pages, a PageRanges, "
                        "or pairs of first page and number of pages"
                    ) from None
            else:
                ranges = [(0, whole(n_pages, "n_pages", least=1))]
            ranges = PageRanges(ranges)
        sections = tuple(ranges.joined())
        n_pages = sum(n for _, n in sections)
        if n_pages == 0:
            raise ValueError("there are no pages; give at least one page range")
        if n_pages > MAX_PAGES:
            raise ValueError(
                f"there are {n_pages} pages; one allocator manages at most {MAX_PAGES}"
            )
        size = power_of_two(page_size, "page_size", most=LARGEST_PAGE_SIZE)
        if max_order is None:
            top = max((largest_order(*section) for section in sections), default=0)
            order = min(top, TOP_ORDER)
        else:
            order = whole(max_order, "max_order", most=TOP_ORDER)
        geometry = cls(size, order, sections)
        if len(sections) > MAX_SECTIONS and geometry.n_groups > MAX_GROUPS:
            raise ValueError(
                f"there are {len(sections)} page ranges; one allocator manages fewer than {MAX_SECTIONS}"
            )
        return geometry

    @property
    def n_pages(self) -> int:
        """Number of pages."""
        return sum(n for _, n in self.sections)

    @property
    def n_groups(self) -> int:
        """Number of groups, the list heads included."""
        return self._groups()[-1]

    @property
    def groups_at(self) -> int:
        """The index of the first word of groups, at the start of a cache line."""
        return rounded_up(self.table_end)

    @property
    def records_at(self) -> int:
        """The index of the first record word, at the start of a cache line."""
        return rounded_up(self.groups_at + GROUP_WORDS * self.n_groups)

    @property
    def n_words(self) -> int:
        """Number of words of all metadata."""
        return self.records_at + FIRST_NODE + self.n_pages

    @property
    def n_bytes(self) -> int:
        """Number of bytes of all metadata."""
        return self.n_words * 8

    @property
    def table_end(self) -> int:
        """The index of the word after the table, where `write` ends."""
        return HEADER_WORDS + TABLE_WORDS * len(self.sections)

    def _groups(self) -> list[int]:
        """Return the first group of each section, and the one after the last."""
        starts = [N_LISTS]
        for first, n in self.sections:
            place = first & ((1 << self.max_order) - 1)
            n_groups = (place + n - 1 >> GROUP_ORDER) - (place >> GROUP_ORDER) + 1
            starts.append(starts[-1] + n_groups)
        return starts

    def table(self) -> array[int]:
        """Return the engine's private copy of the sections: SECTION_WORDS words for each."""
        table = array("Q")
        node = FIRST_NODE
        for (first, n), group in zip(self.sections, self._groups(), strict=False):
            table.extend((first, n, node, group))
            node += n
        return table

    def _header(self) -> array[int]:
        header = array("Q", [0] * HEADER_WORDS)
        header[H_MAGIC] = MAGIC
        header[H_VERSION] = BYTE_ORDER << 32 | VERSION
        header[H_WORDS] = self.n_words
        header[H_PAGE_SIZE] = self.page_size
        header[H_MAX_ORDER] = self.max_order
        header[H_SECTIONS] = len(self.sections)
        header[H_PAGES] = self.n_pages
        for section in self.sections:
            header.extend(section)
        header[H_CHECKSUM] = _checksum(header)
        return header

    def write(self, words: memoryview) -> None:
        """Store the header and the table; the variables in the header become zero."""
        header = self._header()
        words[: len(header)] = memoryview(header)

    @classmethod
    def read(cls, words: memoryview) -> Geometry:
        """Return the geometry that is stored in these words; raises `CorruptMetadata` if it is damaged.

        Cost: O(page ranges).
        """
        if len(words) < HEADER_WORDS or words[H_MAGIC] != MAGIC:
            raise CorruptMetadata(
                "metadata starts with the mark of pagebuddy",
                f"these {len(words) * 8} bytes do not",
                advice=NOT_OURS,
            )
        if words[H_VERSION] != BYTE_ORDER << 32 | VERSION:
            raise CorruptMetadata(
                f"metadata has version {VERSION} and the byte order of this machine",
                f"the word is {words[H_VERSION]:#x}",
                advice=NOT_OURS,
            )
        n_sections = words[H_SECTIONS]
        end = HEADER_WORDS + TABLE_WORDS * n_sections
        if words[H_WORDS] > len(words) or end > len(words):
            raise CorruptMetadata(
                "metadata is as long as its header states",
                f"the header states {words[H_WORDS]} words, the buffer has {len(words)}",
                advice=NOT_OURS,
            )
        if _checksum(words[:end]) != words[H_CHECKSUM]:
            raise CorruptMetadata("the geometry matches its checksum", advice=NOT_OURS)
        table = words[HEADER_WORDS:end].tolist()
        sections = tuple(zip(table[::2], table[1::2], strict=True))
        geometry = cls(words[H_PAGE_SIZE], words[H_MAX_ORDER], sections)
        geometry._check(words[H_PAGES], words[H_WORDS])
        return geometry

    def _check(self, n_pages: int, n_words: int) -> None:
        """Raise `CorruptMetadata` for a geometry that has the right checksum but cannot be."""
        free_from = 0
        for first, n in self.sections:
            if n == 0 or first < free_from or first + n > PAGE_NUMBERS:
                raise CorruptMetadata(
                    "page ranges ascend and do not overlap", page=first, advice=NOT_OURS
                )
            free_from = first + n + 1
        if self.max_order > TOP_ORDER or self.n_pages != n_pages or n_pages > MAX_PAGES:
            raise CorruptMetadata(
                "the largest order and the number of pages are within their limits", advice=NOT_OURS
            )
        if self.page_size.bit_count() != 1 or self.page_size > LARGEST_PAGE_SIZE:
            raise CorruptMetadata(
                "the page size is a power of two", f"it is {self.page_size}", advice=NOT_OURS
            )
        if self.n_words != n_words:
            raise CorruptMetadata("metadata is as long as its page ranges require", advice=NOT_OURS)


def _checksum(words: array[int] | memoryview) -> int:
    """Return the CRC-32 of the geometry's words, without the checksum itself and the variables."""
    table = memoryview(words)[HEADER_WORDS:]
    return crc32(table.tobytes(), crc32(memoryview(words)[:H_CHECKSUM].tobytes()))
