"""Rebuild free lists and free bits from the records: after a crash, and for a new allocator.

The records are the source of truth; all other state is derived from them. A process that is killed here
leaves the records unchanged, so the next one can start again.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .arith import bits, order_from, size
    from .aside import set_run
    from .granules import granule_end, is_hole
    from .spans import length
    from .state import State, fail, group_at, node_at, place_of, use
    from .stripe import push
    from .tree import list_for, release, set_free_bits
    from .words import (
        F_HIGH_WATER,
        F_OVERLAP,
        FIRST_NODE,
        G_LINK,
        GROUP_ORDER,
        GROUP_PAGES,
        GROUP_WORDS,
        H_ASIDE,
        H_FRONT,
        H_HIGH_WATER,
        H_MASK,
        N_LISTS,
        WAIT_WORDS,
        in_list,
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
    last: u64 = FIRST_NODE
    i: u64 = 0
    while i < s.n_sections and s.fault == 0:
        use(s, i)
        node: u64 = s.first_node
        end: u64 = high if high < s.end_node else s.end_node
        while node < end and s.fault == 0:
            if s.holes and is_hole(s, node):
                node = granule_end(s, node)
            elif is_live(s.records[node]):
                last = node + length(s, node)
                node += 1
                while thorough and node < last and s.fault == 0:
                    if s.holes and is_hole(s, node):
                        node = granule_end(s, node)
                        continue
                    if is_live(s.records[node]):
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

    That is the end of the largest block, or of the group if that is larger, that contains the high-water
    mark.
    """
    if high <= s.first_node:
        return s.first_place
    k: u64 = s.top if s.top > GROUP_ORDER else GROUP_ORDER
    end: u64 = (place_of(s, high - 1) >> k) + 1 << k
    return end if end < s.end_place else s.end_place


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def scatter(s: State, place: u64, n: u64) -> cython.void:
    """List a run of pages none of which was ever used: nothing is read, and nothing merges."""
    end: u64 = place + n
    while place < end and s.fault == 0:
        group: u64 = group_at(s, place)
        i: u64 = place & (GROUP_PAGES - 1)
        part: u64 = GROUP_PAGES - i if GROUP_PAGES - i < end - place else end - place
        if part == GROUP_PAGES and s.top >= GROUP_ORDER:
            k: u64 = order_from(place, end - place, s.top)
            set_free_bits(s, group, 0)
            push(s, group, k)
            part = size(k)
        else:
            set_free_bits(s, group, bits(i, part))
            push(s, group, list_for(s, bits(i, part)) - 1)
        place += part


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def rebuild_section(s: State, high: u64, thorough: cython.bint) -> cython.void:
    """Rebuild the words of the groups of the section in use, whose live spans are all below `high`.

    Blocks that were never split are listed again without reading their pages.
    """
    clear: u64 = ever_split(s, high)
    group: u64 = s.first_group
    while clear > s.first_place and group <= group_at(s, clear - 1):
        set_free_bits(s, group, 0)
        s.groups[GROUP_WORDS * group + G_LINK] = 0
        group += 1
    place: u64 = s.first_place
    gap: u64 = place
    while place < clear and s.fault == 0:
        node: u64 = node_at(s, place)
        # A word above the high-water mark that looks like a record is none, and was not checked.
        if s.holes and is_hole(s, node):
            place += granule_end(s, node) - node
        elif node < high and is_live(s.records[node]):
            if place > gap:
                release(s, gap, place - gap)
            place += length(s, node)
            gap = place
            node += 1
            while thorough and node < node_at(s, place):
                if s.holes and is_hole(s, node):
                    node = granule_end(s, node)
                    continue
                s.records[node] = 0
                node += 1
        else:
            s.records[node] = 0
            place += 1
    if clear > gap and s.fault == 0:
        release(s, gap, clear - gap)
    scatter(s, clear, s.end_place - clear)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def rebuild(s: State, high: u64, thorough: cython.bint) -> cython.void:
    """Rebuild all derived state from the records. What was aside becomes free pages like others."""
    last: u64 = check_records(s, high, thorough)
    if last > high:
        fail(s, F_HIGH_WATER, last)
    if s.fault:
        return
    set_run(s, H_ASIDE, 0, 0)
    set_run(s, H_FRONT, 0, 0)
    s.words[H_MASK] = 0
    k: u64 = 0
    while k < GROUP_ORDER:
        s.records[WAIT_WORDS * k] = 0
        k += 1
    k = 0
    while k < N_LISTS:
        set_free_bits(s, k, 0)
        s.groups[GROUP_WORDS * k + G_LINK] = in_list(k) | k << 28 | k
        k += 1
    # In address order, so that the lists are in this order too.
    i: u64 = 0
    while i < s.n_sections and s.fault == 0:
        use(s, i)
        rebuild_section(s, high if high < s.end_node else s.end_node, thorough)
        i += 1
    s.words[H_HIGH_WATER] = last
