"""One run of free pages kept aside whole, in one word: the span freed last, or else a remainder.

Taking the span back costs neither list work nor a cascade of merges. A *remainder* is what was left of
the block split last; the next is cut from it. Either stays until a span is freed or it is needed;
*settling* gives it to the lists.
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
    """Whether what the word names could be aside; its section is then in use."""
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
    """Give what is aside to the lists. This may put another section in use."""
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
    """Keep a run of the section in use aside, in place of what was."""
    if s.words[H_ASIDE]:
        settle(s)
    s.words[H_ASIDE] = n << 32 | node


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def take_aside(s: State, n: u64) -> u64:
    """The node of what is aside, if it is n pages, aligned to their power of two; else 0.

    Only if it is in the section in use. Alignment is looked at here and not when the span is put aside:
    here nothing waits for the answer.
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
    """The node after what is aside, if that has this node of the section in use; else the node itself.

    For walks that must not settle. Each page is looked at, but only for a record, as the records are
    the truth: whatever the word says, no live span is passed over.
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
    """`take_aside` from any section."""
    aside: u64 = s.words[H_ASIDE]
    if aside >> 32 != n or not aside_is_sound(s, aside):
        return 0
    return take_aside(s, n)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def cut(s: State, n: u64, k: u64) -> u64:
    """Take n pages from the front of the remainder aside; its node, or 0.

    Only where that is what the lists would give, had it been settled: the smallest block of order k or
    more. The binary digits of its length name its blocks, the smallest in front; where one further
    behind is the smallest that serves, it is settled.
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
