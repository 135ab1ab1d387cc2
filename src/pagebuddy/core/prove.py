"""Check every invariant. The first one that does not hold becomes the fault.

Two walks must agree: one along the lists, and one through the pages in address order.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .arith import bits, size
    from .granules import granule_end, is_hole
    from .rebuild import ever_split
    from .search import listed_until
    from .spans import length
    from .state import (
        State,
        fail,
        fail_at_group,
        group_at,
        node_at,
        place_of_group,
        use,
    )
    from .stripe import link_of
    from .tree import free_bits, is_sound, list_for, within
    from .words import (
        F_CLEAN,
        F_FREE,
        F_GROUP,
        F_HIGH_WATER,
        F_LIST,
        F_MASK,
        F_MERGED,
        F_NEIGHBOURS,
        F_OVERLAP,
        F_WAIT,
        FIRST_NODE,
        G_COPY,
        GROUP_ORDER,
        GROUP_PAGES,
        GROUP_WORDS,
        H_HIGH_WATER,
        H_MASK,
        N_LISTS,
        TOP_ORDER,
        WAIT_WORDS,
        group_after,
        group_before,
        in_list,
        is_live,
        list_of,
        u64,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def prove_list(s: State, k: u64) -> u64:
    """Check the list of order k; return the number of its groups."""
    count: u64 = 0
    group: u64 = k
    while s.fault == 0:
        after: u64 = group_after(link_of(s, group))
        if after >= s.n_groups or group_before(link_of(s, after)) != group:
            fail_at_group(s, F_NEIGHBOURS, group)
            break
        if after == k:
            break
        if after < N_LISTS or count == s.total or link_of(s, after) >> 56 != in_list(k) >> 56:
            fail_at_group(s, F_LIST, after)
            break
        count += 1
        group = after
    if (
        free_bits(s, k)
        or s.groups[GROUP_WORDS * k + G_COPY]
        or link_of(s, k) >> 56 != in_list(k) >> 56
    ):
        fail(s, F_LIST, 0)
    if (count != 0) != ((s.words[H_MASK] >> k & 1) != 0):
        fail(s, F_MASK, 0)
    return count


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def prove_groups(s: State, thorough: cython.bint) -> u64:
    """Check the groups of the section in use; return how many are in lists."""
    count: u64 = 0
    group: u64 = s.first_group
    while group < s.end_group and s.fault == 0:
        listed: u64 = list_of(link_of(s, group))
        place: u64 = place_of_group(s, group)
        count += listed != 0
        if listed > GROUP_ORDER:
            k: u64 = listed - 1
            buddy: u64 = place ^ size(k)
            if k > s.top or not within(s, place, k) or place & (size(k) - 1):
                fail_at_group(s, F_GROUP, group)
                break
            if (
                k < s.top
                and within(s, buddy, k)
                and list_of(link_of(s, group_at(s, buddy))) == listed
            ):
                fail_at_group(s, F_MERGED, group)
            if free_bits(s, group) or s.groups[GROUP_WORDS * group + G_COPY]:
                fail_at_group(s, F_GROUP, group)
            end: u64 = group + size(k - GROUP_ORDER)
            group += 1
            while thorough and group < end and s.fault == 0:
                at: u64 = GROUP_WORDS * group
                if s.groups[at] | s.groups[at + G_COPY] | link_of(s, group):
                    fail_at_group(s, F_GROUP, group)
                group += 1
            group = end
            continue
        if not is_sound(s, group) or list_for(s, free_bits(s, group)) != listed:
            fail_at_group(s, F_GROUP, group)
        if listed == 0 and link_of(s, group):
            fail_at_group(s, F_GROUP, group)
        group += 1
    return count


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def prove_clean(s: State, begin: u64, end: u64) -> cython.void:
    """Check that nothing is stored at the nodes inside a span or a free block."""
    while begin < end and s.fault == 0:
        if s.holes and is_hole(s, begin):
            begin = granule_end(s, begin)
            continue
        if s.records[begin]:
            fail(s, F_OVERLAP if is_live(s.records[begin]) else F_CLEAN, begin)
        begin += 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def prove_used(s: State, place: u64, n: u64) -> cython.void:
    """Check that none of n used pages is free."""
    while n and s.fault == 0:
        i: u64 = place & (GROUP_PAGES - 1)
        part: u64 = GROUP_PAGES - i if GROUP_PAGES - i < n else n
        group: u64 = group_at(s, place)
        if free_bits(s, group) & bits(i, part) or list_of(link_of(s, group)) > GROUP_ORDER:
            fail(s, F_OVERLAP, node_at(s, place))
        place += part
        n -= part


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def prove_pages(s: State, begin: u64, end: u64, clean: u64) -> cython.void:
    """Check the pages of the section in use from one place to another.

    For nodes below `clean`, also check that nothing is stored inside spans and free runs.
    """
    place: u64 = begin
    # Live spans that follow each other are compared with the free bits together, a group at a time.
    used: u64 = begin
    while place < end and s.fault == 0:
        node: u64 = node_at(s, place)
        inside: u64 = node
        n: u64 = 0
        if not (s.holes and is_hole(s, node)) and is_live(s.records[node]):
            n = length(s, node)
            if node + n > s.words[H_HIGH_WATER]:
                fail(s, F_HIGH_WATER, node)
            inside = node + 1
        else:
            prove_used(s, used, place - used)
            n = listed_until(s, place) - place
            used = place + n
            if n == 0:
                fail(s, F_FREE, node)
        prove_clean(s, inside, node + n if node + n < clean else clean)
        place += n
    prove_used(s, used, place - used)


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
        if prove_list(s, k):
            fail(s, F_LIST, 0)
        k += 1
    k = 0
    while k < GROUP_ORDER:
        if s.records[WAIT_WORDS * k]:
            fail(s, F_WAIT, 0)
        k += 1
    if s.words[H_MASK] >> s.top > 1:
        fail(s, F_MASK, 0)
    if s.words[H_HIGH_WATER] < FIRST_NODE or s.words[H_HIGH_WATER] > s.n_nodes:
        fail(s, F_HIGH_WATER, 0)
    found: u64 = 0
    i: u64 = 0
    while i < s.n_sections and s.fault == 0:
        use(s, i)
        end: u64 = s.end_place if thorough else ever_split(s, s.words[H_HIGH_WATER])
        clean: u64 = s.end_node if thorough else s.words[H_HIGH_WATER]
        found += prove_groups(s, thorough)
        prove_pages(s, s.first_place, end, clean)
        i += 1
    if s.fault == 0 and found != listed:
        fail(s, F_LIST, 0)
