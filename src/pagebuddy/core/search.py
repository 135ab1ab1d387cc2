"""Find free runs across blocks: for requests that no single block can serve, and for figures.

Groups are in address order, and so are the bits of a group: reading them upwards gives the free runs in
address order, 64 pages a word. Settle first.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .arith import ctz, ones, size, starts
    from .state import (
        State,
        fail,
        fail_at_group,
        group_at,
        node_at,
        place_of,
        place_of_group,
        section_of,
        use,
        use_node,
    )
    from .stripe import link_of
    from .tree import block_around, free_bits, is_sound, order_around
    from .words import (
        ALL_BITS,
        F_FREE,
        F_GROUP,
        F_LIST,
        GROUP_ORDER,
        GROUP_PAGES,
        H_HIGH_WATER,
        N_LISTS,
        SECTION_WORDS,
        T_PAGE,
        group_after,
        list_of,
        u64,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def listed_until(s: State, place: u64) -> u64:
    """The place up to which pages are listed as free; the place itself if it is not free."""
    i: u64 = place & (GROUP_PAGES - 1)
    free: u64 = free_bits(s, group_at(s, place)) >> i
    if free & 1:
        if not is_sound(s, group_at(s, place)):
            fail(s, F_GROUP, node_at(s, place))
            return place
        return place + (GROUP_PAGES if free == ALL_BITS else ctz(ALL_BITS - free))
    k: u64 = block_around(s, place)
    return place if k > s.top else ((place >> k) + 1) << k


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def free_until(s: State, place: u64) -> u64:
    """`listed_until`, but above the high-water mark everything is free, and is not read."""
    return s.end_place if node_at(s, place) >= s.words[H_HIGH_WATER] else listed_until(s, place)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def next_free(s: State, place: u64) -> u64:
    """The first place after this one, which is not free, that is free; else the end of the section."""
    if node_at(s, place) >= s.words[H_HIGH_WATER]:
        fail(s, F_FREE, node_at(s, place))
        return s.end_place
    group: u64 = group_at(s, place)
    free: u64 = free_bits(s, group) >> (place & (GROUP_PAGES - 1))
    if free:
        if not is_sound(s, group):
            fail(s, F_GROUP, node_at(s, place))
        return place + ctz(free)
    while group + 1 < s.end_group:
        group += 1
        start: u64 = place_of_group(s, group)
        if list_of(link_of(s, group)) > GROUP_ORDER:
            return start
        if free_bits(s, group):
            start += ctz(free_bits(s, group))
            if start < s.end_place and is_sound(s, group):
                return start
            fail(s, F_GROUP, node_at(s, place))
            return s.end_place
        if node_at(s, start) >= s.words[H_HIGH_WATER]:
            # Everything is free from here on, so a block must start here.
            fail(s, F_GROUP, node_at(s, start))
            return s.end_place
    return s.end_place


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def next_block(s: State, node: u64) -> u64:
    """The node of the first free block that starts here or later, its section in use; else 0."""
    while s.fault == 0 and use_node(s, node):
        place: u64 = place_of(s, node)
        k: u64 = order_around(s, place)
        if k > s.top:
            place = next_free(s, place)
            if place < s.end_place:
                return node_at(s, place)
        elif place >> k << k == place:
            return node
        else:
            place = ((place >> k) + 1) << k
        node = node_at(s, place)
    return 0


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def next_run(s: State, place: u64, enough: u64) -> cython.void:
    """Set `run_begin` and `run_end` to the next free run of the section, or both to its end.

    A run with `enough` pages is not followed further.
    """
    if free_until(s, place) == place:
        place = next_free(s, place)
    s.run_begin = place
    s.run_end = place
    while s.run_end < s.end_place and s.run_end - s.run_begin < enough:
        further: u64 = free_until(s, s.run_end)
        if further == s.run_end:
            return
        s.run_end = further


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def first_section(s: State, above: u64) -> u64:
    """The first section that may contain a page from `above` on."""
    i: u64 = section_of(s, above, T_PAGE)
    return 0 if i == s.n_sections else i


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def open_window(s: State, i: u64, above: u64, last: u64) -> cython.bint:
    """Put section i in use and set the window to its part of it; False after the last section."""
    if i >= s.n_sections or s.table[i * SECTION_WORDS + T_PAGE] > last:
        return False
    use(s, i)
    s.window_begin = s.first_place
    if above > s.first_page:
        s.window_begin += above - s.first_page
    s.window_end = s.end_place
    if last - s.first_page < s.pages:
        s.window_end = s.first_place + (last - s.first_page) + 1
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def pad(s: State, place: u64, align: u64) -> u64:
    """The number of pages from a place to the next page number that is a multiple of align."""
    skew: u64 = (s.first_page + (place - s.first_place)) & (align - 1)
    return align - skew if skew else 0


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def find(s: State, n: u64, above: u64, last: u64, align: u64) -> u64:
    """The node of the first n aligned free pages from `above` to `last`; 0 if there are none."""
    i: u64 = first_section(s, above)
    while open_window(s, i, above, last):
        at: u64 = s.window_begin
        while at < s.window_end and s.fault == 0:
            next_run(s, at, n + align)
            at = s.run_begin + pad(s, s.run_begin, align)
            limit: u64 = s.window_end if s.window_end < s.run_end else s.run_end
            if at < limit and n <= limit - at:
                return node_at(s, at)
            at = s.run_end
        i += 1
    return 0


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def measure(s: State, above: u64, last: u64) -> cython.void:
    """Set `free_pages` and `longest_run` to the figures of the pages from `above` to `last`."""
    s.free_pages = 0
    s.longest_run = 0
    i: u64 = first_section(s, above)
    while open_window(s, i, above, last):
        at: u64 = s.window_begin
        while at < s.window_end and s.fault == 0:
            next_run(s, at, s.total)
            at = s.run_end
            limit: u64 = s.window_end if s.window_end < s.run_end else s.run_end
            if s.run_begin < limit:
                s.free_pages += limit - s.run_begin
                if limit - s.run_begin > s.longest_run:
                    s.longest_run = limit - s.run_begin
        i += 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def all_free(s: State, place: u64, n: u64) -> cython.bint:
    """Whether n pages of the section, from a place on, are all free."""
    end: u64 = place + n
    while place < end:
        further: u64 = free_until(s, place)
        if further == place:
            return False
        place = further
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def next_listed(s: State, group: u64, order: u64) -> u64:
    """The group after a group in the list of an order; 0 at the end, or with a fault."""
    after: u64 = group_after(link_of(s, group))
    if after == order:
        return 0
    if after < N_LISTS or after >= s.n_groups or list_of(link_of(s, after)) != order + 1:
        fail_at_group(s, F_LIST, group)
        return 0
    return after


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def count_blocks(s: State, k: u64) -> u64:
    """The number of free blocks of order k: a walk along the lists that can contain some."""
    count: u64 = 0
    steps: u64 = 0
    order: u64 = k
    while order <= s.top and (order == k or order < GROUP_ORDER):
        group: u64 = next_listed(s, order, order)
        while group and steps < s.n_groups:
            free: u64 = free_bits(s, group)
            if order >= GROUP_ORDER:
                count += 1
            else:
                count += ones(starts(free, k)) - (2 * ones(starts(free, k + 1)) if k < s.top else 0)
            steps += 1
            group = next_listed(s, group, order)
        order += 1
    return count


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def are_free(s: State, k: u64, count: u64) -> cython.bint:
    """Whether so many blocks of order k are listed: a walk until there are enough."""
    found: u64 = 0
    steps: u64 = 0
    order: u64 = s.top + 1
    while order > k and found < count:
        order -= 1
        group: u64 = next_listed(s, order, order)
        while group and found < count and steps < s.n_groups:
            if order >= GROUP_ORDER:
                found += size(order - k)
            else:
                found += ones(starts(free_bits(s, group), k))
            steps += 1
            group = next_listed(s, group, order)
    return found >= count
