"""Split and merge blocks. A tree is the stripes of all orders for the pages of one largest block.

The buddy of the block of order k at place i is at `i ^ 2^k`. Blocks merge up to the largest order, and
never across the end of a page range.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .arith import ctz, order_from, size
    from .granules import has_bits, is_backed
    from .state import State, fail, node_at, place_of, use_node
    from .stripe import is_free, push, remove
    from .words import (
        F_BIT,
        F_FREE,
        F_HEAD,
        H_ASIDE,
        H_HIGH_WATER,
        H_MASK,
        N_HEADS,
        low,
        remainder,
        u64,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def within(s: State, place: u64, k: u64) -> cython.bint:
    """Whether the block of order k at a place lies wholly in the section in use."""
    return s.first_place <= place and place + size(k) <= s.end_place


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def merge(s: State, place: u64, k: u64) -> cython.void:
    """Free a block: merge it with its buddy as long as that is free, then put it into its list."""
    while k < s.top:
        buddy: u64 = place ^ size(k)
        if not within(s, buddy, k) or not is_free(s, buddy, k):
            break
        s.words[H_MASK] &= ~remove(s, buddy, k)
        place &= buddy
        k += 1
    push(s, place, k)
    s.words[H_MASK] |= size(k)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def release(s: State, place: u64, n: u64) -> cython.void:
    """Free a run of n pages; merge each of its blocks as far as possible."""
    while n:
        k: u64 = order_from(place, n, s.top)
        merge(s, place, k)
        place += size(k)
        n -= size(k)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def scatter(s: State, place: u64, n: u64) -> cython.void:
    """Put a run whose neighbours are known not to be free into the lists.

    From its end, so that the lowest block comes to the front of its list.
    """
    end: u64 = place + n
    filled: u64 = 0
    while end > place:
        k: u64 = order_from(end, end - place, s.top)
        end -= size(k)
        push(s, end, k)
        filled |= size(k)
    s.words[H_MASK] |= filled


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def raise_high_water(s: State, node: u64) -> cython.void:
    """Raise the mark below which pages may have been live. Walks and recovery end there."""
    if node > s.words[H_HIGH_WATER]:
        s.words[H_HIGH_WATER] = node


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def split(s: State, n: u64, k: u64) -> u64:
    """Take n pages from the front of the smallest free block of order k or more; its node, or 0.

    The rest becomes the cached run if there is none. Otherwise it returns to the lists as one block for
    each binary digit 1 of its length, in one loop.
    """
    larger: u64 = s.words[H_MASK] >> k
    if larger == 0:
        return 0
    k += ctz(larger)
    node: u64 = low(s.links[k])
    if node < N_HEADS or not use_node(s, node):
        fail(s, F_HEAD, k)
        return 0
    place: u64 = place_of(s, node)
    if not within(s, place, k) or not is_free(s, place, k):
        fail(s, F_BIT, node)
        return 0
    if s.sparse and not is_backed(s, place, place, n, place + size(k)):
        return 0
    emptied: u64 = remove(s, place, k)
    raise_high_water(s, node + n)
    place += n
    tail: u64 = size(k) - n
    if s.words[H_ASIDE] == 0 and tail:
        s.words[H_MASK] &= ~emptied
        s.words[H_ASIDE] = remainder(tail, node + n)
        return node
    s.words[H_MASK] = s.words[H_MASK] & ~emptied | tail
    while tail:
        k = ctz(tail)
        push(s, place, k)
        place += size(k)
        tail &= tail - 1
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def order_around(s: State, place: u64) -> u64:
    """The order of the free block that contains this place; more than `top` if there is none."""
    k: u64 = 0
    while k <= s.top:
        start: u64 = place >> k << k
        if within(s, start, k) and is_free(s, start, k):
            break
        k += 1
    return k


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def can_claim(s: State, place: u64, n: u64) -> cython.bint:
    """Whether the words that `claim` stores to are known to be backed."""
    last: u64 = place + n - 1
    if not has_bits(s, place + n):
        return False
    first_k: u64 = order_around(s, place)
    last_k: u64 = order_around(s, last)
    if first_k > s.top or last_k > s.top:
        # `claim` reports this as a fault.
        return True
    end: u64 = (last >> last_k) + 1 << last_k
    return is_backed(s, place >> first_k << first_k, place, n, end)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def claim(s: State, place: u64, n: u64) -> cython.void:
    """Remove given pages, known to be free, from the lists; the rest of their blocks stays in."""
    end: u64 = place + n
    at: u64 = place
    if s.sparse and not can_claim(s, place, n):
        return
    raise_high_water(s, node_at(s, end))
    while at < end:
        k: u64 = order_around(s, at)
        if k > s.top:
            fail(s, F_FREE, node_at(s, at))
            return
        start: u64 = at >> k << k
        s.words[H_MASK] &= ~remove(s, start, k)
        if s.fault:
            return
        if start < place:
            scatter(s, start, place - start)
        at = start + size(k)
        if at > end:
            scatter(s, end, at - end)
