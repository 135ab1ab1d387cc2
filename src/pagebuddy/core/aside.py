"""The cached run: free pages that are kept *aside* from the free lists, described by one word.

It is the span freed last, or a *remainder*: the rest of the block split last. Allocating it again needs
neither list operations nor merges, and spans are cut from the front of a remainder. It stays aside until
another span is freed or the pages are needed elsewhere. To *settle* it is to move it to the free lists.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .arith import ctz, is_aligned, size
    from .granules import is_backed
    from .state import State, fail, place_of, use_node
    from .tree import raise_high_water, release
    from .words import F_ASIDE, H_ASIDE, H_MASK, is_live, low, pages_in, remainder, u64


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def aside_is_sound(s: State, aside: u64) -> cython.bint:
    """Whether the word for the cached run is possible; if so, its section is in use afterwards."""
    node: u64 = low(aside)
    n: u64 = pages_in(aside)
    if not use_node(s, node) or n == 0 or node + n > s.end_node or s.links[node]:
        fail(s, F_ASIDE, node)
        return False
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def settle(s: State) -> cython.void:
    """Move the cached run to the free lists. This can put another section in use."""
    aside: u64 = s.words[H_ASIDE]
    if aside:
        s.words[H_ASIDE] = 0
        if aside_is_sound(s, aside):
            release(s, place_of(s, low(aside)), pages_in(aside))


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def put_aside(s: State, node: u64, n: u64) -> cython.void:
    """Make a run of the section in use the cached run; settle the one before."""
    if s.words[H_ASIDE]:
        settle(s)
    s.words[H_ASIDE] = n << 32 | node


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def take_aside(s: State, n: u64) -> u64:
    """Take the cached run if it has n pages, suitably aligned, in the section in use; its node, or 0.

    The alignment is checked here, not when the run is put aside: here nothing waits for the result.
    """
    aside: u64 = s.words[H_ASIDE]
    node: u64 = low(aside)
    if (
        aside >> 32 != n
        or node < s.first_node
        or node + n > s.end_node
        or s.links[node]
        or not is_aligned(place_of(s, node), n)
    ):
        return 0
    s.words[H_ASIDE] = 0
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def after_aside(s: State, node: u64) -> u64:
    """The node after the cached run, if it contains this node of the section in use; else the node.

    For walks that must not settle. It stops at a record: the records are the source of truth, so a wrong
    word must not hide a live span.
    """
    aside: u64 = s.words[H_ASIDE]
    end: u64 = low(aside) + pages_in(aside)
    if node < low(aside) or end > s.end_node:
        return node
    while node < end and not is_live(s.links[node]):
        node += 1
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_aside_elsewhere(s: State, n: u64) -> u64:
    """`take_aside` in any section."""
    aside: u64 = s.words[H_ASIDE]
    if aside >> 32 != n or not aside_is_sound(s, aside):
        return 0
    return take_aside(s, n)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def cut(s: State, n: u64, k: u64) -> u64:
    """Take n pages from the front of the cached remainder; their node, or 0.

    Only if the free lists would give the same pages once it is settled: those of the smallest block of
    order k or more. The remainder consists of one block for each binary digit 1 of its length, the
    smallest first. If the smallest block that is large enough is not the first, it is settled.
    """
    aside: u64 = s.words[H_ASIDE]
    if not is_live(aside) or not aside_is_sound(s, aside):
        return 0
    pages: u64 = pages_in(aside)
    blocks: u64 = pages >> k
    if s.words[H_MASK] >> k & ((blocks & (0 - blocks)) - 1):
        return 0
    if pages & (size(k) - 1):
        settle(s)
        return 0
    node: u64 = low(aside)
    place: u64 = place_of(s, node)
    if s.sparse and not is_backed(s, place, place, n, place + size(ctz(pages))):
        return 0
    raise_high_water(s, node + n)
    s.words[H_ASIDE] = remainder(pages - n, node + n) if pages > n else 0
    return node
