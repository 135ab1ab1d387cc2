"""Check every invariant. The first one that does not hold becomes the fault.

Two walks must agree: one along the lists, and one through the pages in address order.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .arith import size
    from .granules import granule_end, is_hole
    from .rebuild import ever_split
    from .spans import length
    from .state import State, fail, node_at, place_of, use, use_node
    from .stripe import bit_word, is_free
    from .tree import order_around, within
    from .words import (
        F_BIT,
        F_CLEAN,
        F_COUNT,
        F_FREE,
        F_HIGH_WATER,
        F_LIST,
        F_MASK,
        F_MERGED,
        F_NEIGHBOURS,
        F_OVERLAP,
        H_COUNTS,
        H_HIGH_WATER,
        H_MASK,
        N_HEADS,
        TOP_ORDER,
        is_live,
        low,
        u64,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def prove_list(s: State, k: u64) -> u64:
    """Check the list of order k; return the number of its blocks."""
    count: u64 = 0
    node: u64 = k
    while s.fault == 0:
        after: u64 = low(s.links[node])
        if after >= s.n_nodes or s.links[after] >> 32 != node:
            fail(s, F_NEIGHBOURS, node)
            break
        if after == k:
            break
        if after < N_HEADS or count == s.total or not use_node(s, after):
            fail(s, F_LIST, node)
            break
        place: u64 = place_of(s, after)
        if place & (size(k) - 1) or not within(s, place, k) or not is_free(s, place, k):
            fail(s, F_BIT, after)
            break
        count += 1
        node = after
    if count != s.words[H_COUNTS + k]:
        fail(s, F_COUNT, k)
    if (count != 0) != ((s.words[H_MASK] >> k & 1) != 0):
        fail(s, F_MASK, k)
    return count


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def prove_clean(s: State, begin: u64, end: u64) -> cython.void:
    """Check that nothing is stored at the nodes inside a span or a free block."""
    while begin < end and s.fault == 0:
        if s.holes and is_hole(s, begin):
            begin = granule_end(s, begin)
            continue
        if s.links[begin]:
            fail(s, F_OVERLAP if is_live(s.links[begin]) else F_CLEAN, begin)
        begin += 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def prove_pages(s: State, begin: u64, end: u64, clean: u64) -> u64:
    """Check the section in use from one place to another; return the number of free blocks.

    For nodes below `clean`, also check that nothing is stored inside spans and blocks.
    """
    count: u64 = 0
    place: u64 = begin
    while place < end and s.fault == 0:
        node: u64 = node_at(s, place)
        if is_live(s.links[node]):
            n: u64 = length(s, node)
            if node + n > s.words[H_HIGH_WATER]:
                fail(s, F_HIGH_WATER, node)
        else:
            k: u64 = order_around(s, place)
            if k > s.top or place & (size(k) - 1):
                fail(s, F_FREE, node)
                break
            buddy: u64 = place ^ size(k)
            if k < s.top and within(s, buddy, k) and is_free(s, buddy, k):
                fail(s, F_MERGED, node)
            n = size(k)
            count += 1
        prove_clean(s, node + 1, node + n if node + n < clean else clean)
        place += n
    return count


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def bits_set(s: State, end: u64) -> u64:
    """The number of bits of the section in use that are set for blocks below a place."""
    count: u64 = 0
    bit: u64 = 2 * s.first_place
    while bit < 2 * end:
        word: u64 = s.words[bit_word(s, bit)]
        while word:
            word &= word - 1
            count += 1
        bit = (bit | 63) + 1
    return count


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def prove(s: State, thorough: cython.bint) -> cython.void:
    """Check every invariant. Settle first.

    Unless thorough, skip the words that only a span above the high-water mark could have changed.
    """
    listed: u64 = 0
    k: u64 = 0
    while k <= s.top and s.fault == 0:
        listed += prove_list(s, k)
        k += 1
    while k <= TOP_ORDER and s.fault == 0:
        if s.words[H_COUNTS + k]:
            fail(s, F_COUNT, k)
        k += 1
    if s.words[H_MASK] >> s.top > 1:
        fail(s, F_MASK, s.top)
    if s.words[H_HIGH_WATER] < N_HEADS or s.words[H_HIGH_WATER] > s.n_nodes:
        fail(s, F_HIGH_WATER, 0)
    found: u64 = 0
    i: u64 = 0
    while i < s.n_sections and s.fault == 0:
        use(s, i)
        end: u64 = s.end_place
        if not thorough:
            # Bits are counted in whole words of 32 pages; small trees share a word.
            end = ever_split(s, s.words[H_HIGH_WATER]) + 31 >> 5 << 5
            if end > s.end_place:
                end = s.end_place
        clean: u64 = s.end_node if thorough else s.words[H_HIGH_WATER]
        free: u64 = prove_pages(s, s.first_place, end, clean)
        if s.fault == 0 and bits_set(s, end) != free:
            fail(s, F_BIT, s.first_node)
        found += free + prove_pages(s, end, s.end_place, clean)
        i += 1
    if s.fault == 0 and found != listed:
        fail(s, F_LIST, 0)
