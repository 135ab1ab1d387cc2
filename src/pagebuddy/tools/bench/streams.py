"""Lists of operations for the engine's native loop, the same in every run. Used by `loops`.

An operation is one word: the kind and size in the upper half, a slot in the lower half. A slot is an
index of a second array, in which the first page of an allocation is kept until its free.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

NO_PAGE = np.uint64(2**64 - 1)
ORDER = 1 << 31
TOP_ORDER = 9
SEED = 20240229


def empty_slots(n: int) -> Words:
    """So many empty slots."""
    return np.full(n, NO_PAGE, np.uint64)


def pairs(n: int) -> Words:
    """Allocate a page and free it at once, n times."""
    return np.tile(np.array([ORDER << 32, 0], np.uint64), n)


def crossed_pairs(n: int) -> Words:
    """Spans of one and two pages, each freed while the other is allocated, n times.

    The span freed last never has the requested length, so one cached span would not be enough.
    """
    one, two = 1 << 32, 2 << 32 | 1
    return np.tile(np.array([one, two, 0, 1], np.uint64), n)


def fill(n_pages: int) -> Words:
    """Allocate every page singly."""
    return np.arange(n_pages, dtype=np.uint64) | np.uint64(ORDER << 32)


def single_pages(n: int) -> Words:
    """Allocate so many single pages, as `alloc(1)` does."""
    return np.arange(n, dtype=np.uint64) | np.uint64(1 << 32)


def frees(n: int) -> Words:
    """Free so many slots, one after the other."""
    return np.arange(n, dtype=np.uint64)


def shuffled_slots(n_pages: int) -> Words:
    """The slots of `fill` in random order; as operations, they free all pages in this order."""
    slots: Words = np.random.default_rng(SEED).permutation(n_pages).astype(np.uint64)
    return slots


def geometric_orders(rng: np.random.Generator, n: int) -> Words:
    """Random orders up to `TOP_ORDER`, each half as likely as the one below."""
    orders: Words = np.minimum(rng.geometric(0.5, n) - 1, TOP_ORDER).astype(np.uint64)
    return orders


def half_full(n_pages: int) -> Words:
    """Allocate blocks of random orders until half of the pages are used, one slot each."""
    orders = geometric_orders(np.random.default_rng(SEED + 1), n_pages)
    taken = np.cumsum(np.uint64(1) << orders)
    orders = orders[: int(np.searchsorted(taken, n_pages // 2))]
    return (orders + np.uint64(ORDER)) << np.uint64(32) | np.arange(len(orders), dtype=np.uint64)


def mixed(n_slots: int, n_operations: int) -> Words:
    """Free a random block and allocate one of a random order instead, again and again."""
    rng = np.random.default_rng(SEED + 2)
    victims = rng.integers(0, n_slots, n_operations // 2, dtype=np.uint64)
    orders = geometric_orders(rng, len(victims)) + np.uint64(ORDER)
    operations = np.empty(2 * len(victims), np.uint64)
    operations[0::2] = victims
    operations[1::2] = orders << np.uint64(32) | victims
    return operations
