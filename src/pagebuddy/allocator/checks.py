"""Check a call against the allocator's state; raise or return an exception if it cannot succeed.

Part of the extension. `Inspection` and `BuddyAllocator` use it; the texts are in `refusals`.
"""

from typing import Any, SupportsIndex

from pagebuddy.allocator import refusals
from pagebuddy.arguments import PAGE_NUMBERS, whole
from pagebuddy.core import stand_in as cython
from pagebuddy.errors import CorruptMetadata, OutOfPages, PageBuddyError

if not cython.compiled:
    from pagebuddy.core.aside import is_cached, settle
    from pagebuddy.core.search import free_until, measure
    from pagebuddy.core.state import State, node_of, page_of, place_of, use_node
    from pagebuddy.core.words import FIRST_NODE, is_live, low, pages_in, u64


@cython.exceptval(0)
@cython.cfunc
def live_node(
    s: State,
    geometry: Any,
    page: SupportsIndex,
    n_pages: SupportsIndex | None,
    generation: SupportsIndex | None,
) -> u64:
    """The node of the live span at a page; raises `BadFree` if it is not the one expected."""
    # Reading a number can run Python code, and so another thread: read all of them first.
    given = whole(page, "page", least=None)
    n_told = None if n_pages is None else whole(n_pages, "n_pages")
    generation_told = None if generation is None else whole(generation, "generation")
    node: u64 = node_of(s, given) if 0 <= given < PAGE_NUMBERS else 0
    if node == 0:
        raise refusals.outside(given, geometry)
    word: u64 = s.records[node]
    if not is_live(word):
        is_free = is_free_node(s, node)
        raise clear_fault(s) if s.fault else refusals.not_live(given, is_free)
    if n_told is not None and n_told != pages_in(word):
        raise refusals.other_size(given, n_told, pages_in(word))
    if generation_told is not None and generation_told != low(word):
        raise refusals.other_generation(given, generation_told, low(word))
    return node


@cython.exceptval(check=False)
@cython.cfunc
def is_free_node(s: State, node: u64) -> cython.bint:
    """Whether a node of the section in use is free, cached or not."""
    return is_cached(s, node) or free_until(s, place_of(s, node)) > place_of(s, node)


@cython.cfunc
def out_of_pages(
    s: State, geometry: Any, requested: int, above: u64, last: u64, where: str
) -> PageBuddyError:
    """The error for pages that were not found from `above` to `last`: `OutOfPages`, or a fault."""
    settle(s)
    measure(s, above, last)
    if s.fault:
        return clear_fault(s)
    return OutOfPages(requested, s.free_pages, s.longest_run, geometry.page_size, where)


@cython.cfunc
def clear_fault(s: State) -> CorruptMetadata:
    """Clear the fault that the engine noted, and return it as an exception."""
    fault, node = s.fault, s.fault_node
    s.fault = 0
    page = page_of(s, node) if node >= FIRST_NODE and use_node(s, node) else None
    return refusals.corrupt(fault, node, page)
