"""A simulation of lowest-address-first allocation, which leaves free memory in few large blocks.

Used by `fragmentation` as a yardstick. It is slow: it looks for the lowest place in a tree of the whole
memory.
"""

from __future__ import annotations


class Lowest:
    """A buddy allocator that takes each block from the lowest place where there is one.

    `largest[i]` is one more than the order of the largest free block below node i of a binary tree, or 0
    if there is none. Node 1 is the whole memory; the children of node i are 2 i and 2 i + 1; the last
    `size` nodes are the pages.

    >>> lowest = Lowest(16)
    >>> [lowest.alloc(order) for order in (0, 2, 0, 4)]
    [0, 4, 1, None]
    >>> lowest.free(4, 2)
    >>> lowest.alloc(1), lowest.alloc(2)
    (2, 4)
    """

    def __init__(self, n_pages: int) -> None:
        self.top = (n_pages - 1).bit_length()
        self.size = 1 << self.top
        self.largest = [0] * self.size + [1] * n_pages + [0] * (self.size - n_pages)
        for node in range(self.size - 1, 0, -1):
            below, above = self.largest[2 * node : 2 * node + 2]
            order = self.top + 1 - node.bit_length()
            self.largest[node] = order + 1 if below == above == order else max(below, above)

    def alloc(self, order: int) -> int | None:
        """Allocate the lowest free block of an order; its first page, or None if there is none."""
        largest, wanted = self.largest, order + 1
        if largest[1] < wanted:
            return None
        node = 1
        for _ in range(self.top - order):
            node *= 2
            if largest[node] < wanted:
                node += 1
        self._set(node, order, 0)
        return (node << order) - self.size

    def free(self, page: int, order: int) -> None:
        """Free a block."""
        self._set((page + self.size) >> order, order, order + 1)

    def _set(self, node: int, order: int, found: int) -> None:
        """Set the largest free block below a node of this order, and those of the nodes above it."""
        largest = self.largest
        largest[node] = found
        while node > 1:
            order += 1
            other = largest[node ^ 1]
            # Two free buddies are one free block.
            if found == other == order:
                found = order + 1
            elif other > found:
                found = other
            node >>= 1
            if largest[node] == found:
                return
            largest[node] = found
