"""The parameters of a replay, which a comparison varies. Used by `replay`, `ranges` and `variants`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from pagebuddy import PageRanges
from pagebuddy.tools.traces.events import Unit

# The encoding of operations in `BuddyAllocator.run`.
_BLOCK = 1 << 31
_MOST_PAGES = _BLOCK - 1

LINUX_MAX_ORDER = 10


class Policy(str, Enum):
    """How a size is rounded: up to whole pages, or up to a block, a power of two of pages."""

    EXACT = "exact"
    BLOCKS = "blocks"


@dataclass(frozen=True)
class Variant:
    """Page ranges, page size in bytes, highest order, and policy.

    None means as in the recorded system: blocks and Linux's highest order for a trace of pages; exact
    spans and the highest possible order for a trace of bytes.

    >>> Variant(PageRanges([(0, 64)])).settled(Unit.BYTES).policy.value
    'exact'
    """

    ranges: PageRanges
    page_size: int = 4096
    max_order: int | None = None
    policy: Policy | None = None

    def settled(self, unit: Unit) -> Variant:
        """Fill in the policy, and the highest order for a trace of pages."""
        pages = unit is Unit.ORDERS
        return replace(
            self,
            max_order=LINUX_MAX_ORDER if self.max_order is None and pages else self.max_order,
            policy=self.policy or (Policy.BLOCKS if pages else Policy.EXACT),
        )

    def pages_for(self, n_bytes: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of pages for these sizes; at most 2^31, more than any memory has.

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
        """Encode operations for `BuddyAllocator.run`.

        A span of 0 pages becomes a free of an empty slot, which has no effect.
        """
        what = n_pages
        if self.policy is Policy.BLOCKS:
            what = np.where(n_pages > 0, _BLOCK + _order_of(n_pages), 0)
        what = np.where(is_alloc, what, 0)
        return (what.astype(np.uint64) << np.uint64(32)) | slot.astype(np.uint64)


def _order_of(n_pages: NDArray[np.int64]) -> NDArray[np.int64]:
    """The lowest order whose blocks have at least so many pages; exact up to 2^53 pages."""
    orders: NDArray[np.int32] = np.frexp(np.maximum(n_pages, 1) - 1)[1]
    return orders.astype(np.int64)
