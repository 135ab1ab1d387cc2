"""Rebuild free lists, bits and counts from the records: after a crash, and for a new allocator.

The records are the source of truth; all other state is derived from them. A process that is killed here
leaves the records unchanged, so the next one can start again.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .granules import granule_end, is_hole
    from .spans import length
    from .state import State, fail, node_at, place_of, use
    from .stripe import bit_word
    from .tree import scatter
    from .words import (
        F_HIGH_WATER,
        F_OVERLAP,
        H_ASIDE,
        H_COUNTS,
        H_HIGH_WATER,
        H_MASK,
        N_HEADS,
        TOP_ORDER,
        is_live,
        u64,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def check_records(s: State, high: u64, thorough: cython.bint) -> u64:
    """The node after the last live span below `high`; a fault if a record is impossible.

    If thorough, also check that there is no record inside a span.
    """
    last: u64 = N_HEADS
    i: u64 = 0
    while i < s.n_sections and s.fault == 0:
        use(s, i)
        node: u64 = s.first_node
        end: u64 = high if high < s.end_node else s.end_node
        while node < end and s.fault == 0:
            if s.holes and is_hole(s, node):
                node = granule_end(s, node)
            elif is_live(s.links[node]):
                last = node + length(s, node)
                node += 1
                while thorough and node < last and s.fault == 0:
                    if s.holes and is_hole(s, node):
                        node = granule_end(s, node)
                        continue
                    if is_live(s.links[node]):
                        fail(s, F_OVERLAP, node)
                    node += 1
                node = last
            else:
                node += 1
        i += 1
    return last


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def ever_split(s: State, high: u64) -> u64:
    """The place in the section in use from which on no block was ever split.

    That is the end of the largest block that contains the high-water mark.
    """
    if high <= s.first_node:
        return s.first_place
    end: u64 = (place_of(s, high - 1) >> s.top) + 1 << s.top
    return end if end < s.end_place else s.end_place


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def rebuild_section(s: State, high: u64, thorough: cython.bint) -> cython.void:
    """Rebuild the bits and links of the section in use, whose live spans are all below `high`.

    Blocks that were never split are linked again without reading their pages.
    """
    clear: u64 = ever_split(s, high)
    bit: u64 = 2 * s.first_place
    while bit < 2 * clear:
        s.words[bit_word(s, bit)] = 0
        bit = (bit | 63) + 1
    scatter(s, clear, s.end_place - clear)
    place: u64 = s.first_place
    gap: u64 = place
    while place < clear:
        node: u64 = node_at(s, place)
        # A word above the high-water mark that looks like a record is none, and was not checked.
        if s.holes and is_hole(s, node):
            place += granule_end(s, node) - node
        elif node < high and is_live(s.links[node]):
            scatter(s, gap, place - gap)
            place += length(s, node)
            gap = place
            node += 1
            while thorough and node < node_at(s, place):
                if s.holes and is_hole(s, node):
                    node = granule_end(s, node)
                    continue
                s.links[node] = 0
                node += 1
        else:
            s.links[node] = 0
            place += 1
    scatter(s, gap, clear - gap)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def rebuild(s: State, high: u64, thorough: cython.bint) -> cython.void:
    """Rebuild all derived state from the records. The cached run becomes free pages like others."""
    last: u64 = check_records(s, high, thorough)
    if last > high:
        fail(s, F_HIGH_WATER, last)
    if s.fault:
        return
    s.words[H_ASIDE] = 0
    s.words[H_MASK] = 0
    k: u64 = 0
    while k <= TOP_ORDER:
        s.words[H_COUNTS + k] = 0
        s.links[k] = k << 32 | k
        k += 1
    # From the last section to the first, so that the lowest pages come to the front of the lists.
    i: u64 = s.n_sections
    while i and s.fault == 0:
        i -= 1
        use(s, i)
        rebuild_section(s, high if high < s.end_node else s.end_node, thorough)
    s.words[H_HIGH_WATER] = last
