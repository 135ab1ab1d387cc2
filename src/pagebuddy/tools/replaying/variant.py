"""What a trace is replayed on, and by which policy: what comparisons vary."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from pagebuddy import PageRanges
from pagebuddy.tools.traces.events import Unit

# As the engine takes operations: see `BuddyAllocator.run`.
_BLOCK = 1 << 31
_MOST_PAGES = _BLOCK - 1

LINUX_MAX_ORDER = 10


class Policy(str, Enum):
    """How a size becomes pages: as many as it needs, or a whole block, a power of two of them."""

    EXACT = "exact"
    BLOCKS = "blocks"


@dataclass(frozen=True)
class Variant:
    """Page ranges, bytes in a page, the highest order, and the policy.

    What is None is as the trace was recorded: for page orders, blocks and Linux's highest order;
    for bytes, exact spans and blocks as large as the ranges can hold.

    >>> Variant(PageRanges([(0, 64)])).settled(Unit.BYTES).policy.value
    'exact'
    """

    ranges: PageRanges
    page_size: int = 4096
    max_order: int | None = None
    policy: Policy | None = None

    def settled(self, unit: Unit) -> Variant:
        """The same with a policy, and with a highest order where the recorded system had one."""
        pages = unit is Unit.ORDERS
        return replace(
            self,
            max_order=LINUX_MAX_ORDER if self.max_order is None and pages else self.max_order,
            policy=self.policy or (Policy.BLOCKS if pages else Policy.EXACT),
        )

    def pages_for(self, n_bytes: NDArray[np.int64]) -> NDArray[np.int64]:
        """The pages of the spans for these sizes; at most 2^31, which nothing can hold.

        >>> sizes = np.array([0, 1, 4096, 20_000, 2**61])
        >>> Variant(PageRanges(), policy=Policy.EXACT).pages_for(sizes).tolist()
        [0, 1, 1, 5, 2147483647]
        >>> Variant(PageRanges(), policy=Policy.BLOCKS).pages_for(sizes).tolist()
        [0, 1, 1, 8, 2147483648]
        """
        n_pages = np.minimum((n_bytes + (self.page_size - 1)) // self.page_size, _MOST_PAGES)
        if self.policy is not Policy.BLOCKS:
            return n_pages
        return np.where(n_pages > 0, 1 << _order_of(n_pages), 0)

    def encoded(
        self, is_alloc: NDArray[np.bool_], slot: NDArray[np.int64], n_pages: NDArray[np.int64]
    ) -> NDArray[np.uint64]:
        """Operations as `BuddyAllocator.run` takes them.

        A span of no pages becomes the free of a slot that has none, which does nothing.
        """
        what = n_pages
        if self.policy is Policy.BLOCKS:
            what = np.where(n_pages > 0, _BLOCK + _order_of(n_pages), 0)
        what = np.where(is_alloc, what, 0)
        return (what.astype(np.uint64) << np.uint64(32)) | slot.astype(np.uint64)


def _order_of(n_pages: NDArray[np.int64]) -> NDArray[np.int64]:
    """The least order whose blocks have at least so many pages; exact up to 2^53 pages."""
    orders: NDArray[np.int32] = np.frexp(np.maximum(n_pages, 1) - 1)[1]
    return orders.astype(np.int64)
