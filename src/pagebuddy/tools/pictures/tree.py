"""A block as a tree of its splits, with explanations. Used by `tree_picture` and `tree_sheet`."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from heapq import nsmallest
from itertools import islice
from typing import NamedTuple, SupportsIndex

from pagebuddy.arguments import whole
from pagebuddy.tools.pictures.layout import Layout
from pagebuddy.tools.terminal.units import counted


class Kind(Enum):
    """The state of a block."""

    SPLIT = "split"
    FREE = "free"
    USED = "used"
    OUTSIDE = "outside"


class Node(NamedTuple):
    """A block. A used block lies completely in the span with first page `span`; otherwise -1."""

    first: int
    order: int
    kind: Kind
    span: int = -1


def left_out(levels: list[list[Node]]) -> Iterator[str]:
    """A note if a block on the last level is split further."""
    if any(node.kind is Kind.SPLIT for node in levels[-1]):
        order = levels[-1][0].order
        yield f"orders below {order} are not shown; draw a smaller block to see them"


class Tree:
    """A block and the blocks that it is split into.

    `order` is the order of the block, by default the highest possible; `page` is any page in it, by
    default one in the first smaller free block. `levels` has the nodes of each order, from the block
    down to the last split, at most `depth` orders below. Raises `TypeError` or `ValueError` for an
    invalid order or page. Cost per node: O(log(blocks and spans)).

    >>> from pagebuddy import BuddyAllocator
    >>> buddy = BuddyAllocator(16)
    >>> page = buddy.alloc(5)
    >>> tree = Tree(Layout.of(buddy))
    >>> [(node.first, node.order, node.kind.value) for node in tree.levels[2]]
    [(0, 2, 'used'), (4, 2, 'split')]
    >>> for told in tree.explained():
    ...     print(told)
    page 5, free at order 0, cannot merge: its buddy, page 4, is used
    page 6, free at order 1, cannot merge: its buddy, page 4, is split
    page 8, free at order 3, cannot merge: its buddy, page 0, is split
    free(0) frees 5 pages, which merge into order 4 at page 0
    an allocation of order 2 splits page 8, order 3, once
    """

    def __init__(
        self,
        layout: Layout,
        page: SupportsIndex | None = None,
        order: SupportsIndex | None = None,
        *,
        depth: int = 6,
    ) -> None:
        self.layout = layout
        top = layout.top_order
        self.order = top if order is None else whole(order, "order", most=top)
        self.first = self._page(page) >> self.order << self.order
        self.levels: list[list[Node]] = [[self.node(self.first, self.order)]]
        for order_here in range(self.order - 1, max(self.order - depth, 0) - 1, -1):
            split = [node.first for node in self.levels[-1] if node.kind is Kind.SPLIT]
            if not split:
                break
            halves = (half for first in split for half in (first, first + (1 << order_here)))
            self.levels.append([self.node(half, order_here) for half in halves])

    def _page(self, page: SupportsIndex | None) -> int:
        """A page of the block to show."""
        layout = self.layout
        if page is not None:
            given = whole(page, "page")
            if not any(first <= given < first + n for first, n in layout.ranges):
                raise ValueError(f"page {given} is outside the page ranges; give a page in a range")
            return given
        blocks = zip(layout.free_first, layout.free_order, strict=True)
        broken = (first for first, order in blocks if order < self.order)
        starts = (first for first, _ in layout.ranges)
        return next(broken, next(starts, 0))

    def node(self, first: int, order: int) -> Node:
        """The block of this order at this page, which must not be inside a larger free block."""
        layout = self.layout
        end = first + (1 << order)
        if blocks := layout.blocks_in(first, end):
            whole_block = layout.free_order[blocks[0]] >= order
            return Node(first, order, Kind.FREE if whole_block else Kind.SPLIT)
        overlaps = (min(end, start + n) - max(first, start) for start, n in layout.ranges)
        inside = sum(n for n in overlaps if n > 0)
        if inside == 0:
            return Node(first, order, Kind.OUTSIDE)
        spans = layout.spans_in(first, end)
        if inside < end - first:
            return Node(first, order, Kind.SPLIT)
        if not spans:
            return Node(first, order, Kind.USED)
        start = layout.span_first[spans[0]]
        covered = start <= first and end <= start + layout.span_n[spans[0]]
        return Node(first, order, Kind.USED if covered else Kind.SPLIT, start if covered else -1)

    def explained(self) -> Iterator[str]:
        """Explain why free blocks do not merge, what a free would merge, what an allocation would split.

        Covers the three smallest free blocks, and the first two live spans completely inside this block.
        Merges beyond this block are not followed.
        """
        free = {
            (self.layout.free_first[i], self.layout.free_order[i])
            for i in self.layout.blocks_in(self.first, self.first + (1 << self.order))
        }
        yield from self._waiting(free)
        yield from self._merging(free)
        yield from self._splitting(free)

    def _waiting(self, free: set[tuple[int, int]]) -> Iterator[str]:
        inside = (block for block in free if block[1] < self.order)
        for first, order in nsmallest(3, inside, key=lambda block: block[::-1]):
            buddy = self.node(first ^ (1 << order), order)
            yield (
                f"page {first}, free at order {order}, cannot merge: "
                f"its buddy, page {buddy.first}, is {buddy.kind.value}"
            )

    def _merging(self, free: set[tuple[int, int]]) -> Iterator[str]:
        layout, end = self.layout, self.first + (1 << self.order)
        spans = ((layout.span_first[i], layout.span_n[i]) for i in layout.spans_in(self.first, end))
        inside = ((first, n) for first, n in spans if self.first <= first and first + n <= end)
        for first, n in islice(inside, 2):
            at, order = max(self._merged(first, n, set(free)), key=lambda block: block[1])
            merged = ", which merge into" if (1 << order) > n else "; the largest block has"
            yield f"free({first}) frees {counted(n, 'page')}{merged} order {order} at page {at}"

    def _merged(self, page: int, n: int, free: set[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """The fully merged blocks that result from freeing a span."""
        end = page + n
        while page < end:
            order = min((end - page).bit_length() - 1, self.order)
            if page:
                order = min(order, (page & -page).bit_length() - 1)
            block, page = (page, order), page + (1 << order)
            while block[1] < self.order and (block[0] ^ (1 << block[1]), block[1]) in free:
                free.remove((block[0] ^ (1 << block[1]), block[1]))
                block = (block[0] & ~(1 << block[1]), block[1] + 1)
            free.add(block)
            yield block

    def _splitting(self, free: set[tuple[int, int]]) -> Iterator[str]:
        orders = {order for _, order in free}
        missing = (order for order in range(self.order) if order not in orders)
        for order in missing:
            if larger := [block for block in free if block[1] > order]:
                first, from_order = min(larger, key=lambda block: block[::-1])
                times = from_order - order
                how_often = "once" if times == 1 else f"{times} times"
                yield (
                    f"an allocation of order {order} splits page {first}, order {from_order}, "
                    f"{how_often}"
                )
                return
