"""Lists of operations for the engine's own loop, the same in every run.

One operation is a word: what to do in its upper half, a slot in its lower. A slot is a place in a
second array, where an allocation leaves its first page and where a free finds it.
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
    """That many slots with no page in them."""
    return np.full(n, NO_PAGE, np.uint64)


def pairs(n: int) -> Words:
    """A page taken and given back at once, n times."""
    return np.tile(np.array([ORDER << 32, 0], np.uint64), n)


def crossed_pairs(n: int) -> Words:
    """Spans of one and of two pages, each given back while the other is out, n times.

    The span freed last never has the length asked for next, so all is done on the lists.
    """
    one, two = 1 << 32, 2 << 32 | 1
    return np.tile(np.array([one, two, 0, 1], np.uint64), n)


def fill(n_pages: int) -> Words:
    """Every page taken singly."""
    return np.arange(n_pages, dtype=np.uint64) | np.uint64(ORDER << 32)


def shuffled_slots(n_pages: int) -> Words:
    """The slots of `fill` in random order; as operations: free them all in that order."""
    slots: Words = np.random.default_rng(SEED).permutation(n_pages).astype(np.uint64)
    return slots


def geometric_orders(rng: np.random.Generator, n: int) -> Words:
    """Orders of which each is half as likely as the one below, none above `TOP_ORDER`."""
    orders: Words = np.minimum(rng.geometric(0.5, n) - 1, TOP_ORDER).astype(np.uint64)
    return orders


def half_full(n_pages: int) -> Words:
    """Blocks of geometric orders until half of the pages are taken, one slot each."""
    orders = geometric_orders(np.random.default_rng(SEED + 1), n_pages)
    taken = np.cumsum(np.uint64(1) << orders)
    orders = orders[: int(np.searchsorted(taken, n_pages // 2))]
    return (orders + np.uint64(ORDER)) << np.uint64(32) | np.arange(len(orders), dtype=np.uint64)


def mixed(n_slots: int, n_operations: int) -> Words:
    """A random block freed and another of a random order taken in its place, over and over."""
    rng = np.random.default_rng(SEED + 2)
    victims = rng.integers(0, n_slots, n_operations // 2, dtype=np.uint64)
    orders = geometric_orders(rng, len(victims)) + np.uint64(ORDER)
    operations = np.empty(2 * len(victims), np.uint64)
    operations[0::2] = victims
    operations[1::2] = orders << np.uint64(32) | victims
    return operations
