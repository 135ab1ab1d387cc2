"""Alternatives to the engine. Used by `__main__`."""

from __future__ import annotations

from itertools import repeat
from multiprocessing.heap import Heap
from time import perf_counter_ns
from typing import TYPE_CHECKING

import numpy as np

from pagebuddy.tools.bench.streams import shuffled_slots

if TYPE_CHECKING:
    from pagebuddy.tools.bench.timing import Case, Timed

RECORD = np.uint64(1 << 63 | 1 << 32)


def stack_loop(n_pages: int) -> Case:
    """A stack of page numbers and one word per page: the least memory traffic of any engine.

    It does not split, merge or check. numpy does each step for all pages at once, in native loops, over
    the same slots in the same order as the engine's fill and drain.
    """
    # Signed, because numpy copies indices of other types.
    slots = shuffled_slots(n_pages).astype(np.intp)
    stack = np.arange(n_pages, dtype=np.intp)[::-1].copy()
    pages = np.full(n_pages, -1, np.intp)
    words = np.zeros(n_pages, np.uint64)

    def case(times: int) -> Timed:
        fill = drain = 0
        for _ in range(times):
            started = perf_counter_ns()
            pages[:] = stack[::-1]
            words[stack] = RECORD
            filled = perf_counter_ns()
            np.take(pages, slots, out=stack, mode="clip")
            words[stack] = 0
            pages[slots] = -1
            drain += perf_counter_ns() - filled
            fill += filled - started
        return {
            "stack.fill": (fill, n_pages * times),
            "stack.drain": (drain, n_pages * times),
        }

    return case


def list_calls(n_pages: int) -> Case:
    """Pop a page number from a list and append it again."""
    stack = list(range(n_pages))
    pop, append = stack.pop, stack.append

    def case(times: int) -> Timed:
        started = perf_counter_ns()
        for _ in repeat(None, times * 1000):
            append(pop())
        return {"list.pair": (perf_counter_ns() - started, times * 1000)}

    return case


def multiprocessing_calls() -> Case:
    """The standard library's allocator of shared memory, one page at a time."""
    heap = Heap()
    malloc, free = heap.malloc, heap.free

    def case(times: int) -> Timed:
        started = perf_counter_ns()
        for _ in repeat(None, times * 10):
            free(malloc(4096))
        return {"multiprocessing.pair": (perf_counter_ns() - started, times * 10)}

    return case
