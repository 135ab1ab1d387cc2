"""Split and merge blocks. A tree is the stripes of all orders for the pages of one largest block.

The buddy of the block of order k at place i is at `i ^ 2^k`. Blocks merge up to the largest order, and
never across the end of a page range. Within a group the bits merge by themselves: what changes is the
list that the group is in.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .arith import ALIGNED, bits, block_bits, ctz, largest, order_from, size, starts
    from .granules import is_backed
    from .state import (
        State,
        fail,
        fail_at_group,
        group_at,
        node_at,
        place_of_group,
        use_group,
    )
    from .stripe import link_of, push, remove
    from .words import (
        AREA_GROUPS,
        AREA_ORDER,
        F_FREE,
        F_GROUP,
        F_HEAD,
        G_COPY,
        G_FREE,
        GROUP_ORDER,
        GROUP_PAGES,
        GROUP_WORDS,
        H_AREA,
        H_HIGH_WATER,
        H_MASK,
        N_LISTS,
        group_after,
        list_of,
        rare,
        u64,
        wrapped,
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
@cython.inline
@cython.cfunc
def free_bits(s: State, group: u64) -> u64:
    """The free bits of a group."""
    return s.groups[GROUP_WORDS * group + G_FREE]


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def set_free_bits(s: State, group: u64, free: u64) -> cython.void:
    """Store the free bits of a group, and their copy."""
    s.groups[GROUP_WORDS * group + G_FREE] = free
    s.groups[GROUP_WORDS * group + G_COPY] = free


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_sound(s: State, group: u64) -> cython.bint:
    """Whether the free bits of a group are like their copy, and it is no block of whole groups."""
    at: u64 = GROUP_WORDS * group
    return (
        s.groups[at + G_FREE] == s.groups[at + G_COPY] and list_of(link_of(s, group)) <= GROUP_ORDER
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def list_for(s: State, free: u64) -> u64:
    """The order of the list for a group with these free bits, plus one; 0 if it belongs in none."""
    found: u64 = largest(free)
    return found if found <= s.top + 1 else s.top + 1


# -- freeing -------------------------------------------------------------------------------------


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def merge(s: State, place: u64, k: u64) -> cython.void:
    """Free a block of whole groups: merge it with its buddy as long as that is free, then list it."""
    while k < s.top:
        buddy: u64 = place ^ size(k)
        if not within(s, buddy, k) or list_of(link_of(s, group_at(s, buddy))) != k + 1:
            break
        remove(s, group_at(s, buddy))
        if s.fault:
            return
        place &= buddy
        k += 1
    push(s, group_at(s, place), k)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def relist(s: State, group: u64, found: u64) -> cython.void:
    """Put a group into the list `found - 1`, or into none for 0, after its bits have changed.

    A group that is free as a whole becomes a block.
    """
    if list_of(link_of(s, group)):
        remove(s, group)
    if found > GROUP_ORDER:
        set_free_bits(s, group, 0)
        merge(s, place_of_group(s, group), GROUP_ORDER)
    elif found:
        push(s, group, found - 1)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def regroup(s: State, group: u64, i: u64, n: u64) -> cython.void:
    """Put a group where it belongs, after n of its pages, from page i on, became free."""
    free: u64 = free_bits(s, group)
    was: u64 = list_of(link_of(s, group))
    found: u64 = 0
    if (n | i) & (n - 1):
        found = list_for(s, free)
    else:
        # The largest block around these pages that is free.
        found = ctz(n) + 1
        if found < was:
            found = was
        while found <= GROUP_ORDER and free & block_bits(i, found) == block_bits(i, found):
            found += 1
        if found > s.top + 1:
            found = s.top + 1
    if found != was:
        relist(s, group, found)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def free_part(s: State, group: u64, i: u64, n: u64) -> cython.void:
    """Free n pages of one group from page i on, not all 64."""
    free: u64 = free_bits(s, group)
    was: u64 = list_of(link_of(s, group))
    more: u64 = bits(i, n)
    if rare(not is_sound(s, group)) or rare(free & more != 0):
        fail_at_group(s, F_GROUP, group)
        return
    free |= more
    set_free_bits(s, group, free)
    # While the next larger block around these pages is not free, the largest run is what it was.
    around: u64 = block_bits(i, was)
    if size(was) <= n or free & around == around or (n | i) & (n - 1):
        regroup(s, group, i, n)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def release_far(s: State, place: u64, n: u64) -> cython.void:
    """`release` for pages of more than one group, or for a whole one."""
    while n and s.fault == 0:
        part: u64 = GROUP_PAGES - (place & (GROUP_PAGES - 1))
        if part > n:
            part = n
        if part == GROUP_PAGES and s.top >= GROUP_ORDER:
            k: u64 = order_from(place, n, s.top)
            group: u64 = group_at(s, place)
            if link_of(s, group) or free_bits(s, group):
                fail_at_group(s, F_GROUP, group)
                return
            merge(s, place, k)
            part = size(k)
        else:
            free_part(s, group_at(s, place), place & (GROUP_PAGES - 1), part)
        place += part
        n -= part


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def release(s: State, place: u64, n: u64) -> cython.void:
    """Free a run of n pages; merge each of its blocks as far as possible."""
    if (place & (GROUP_PAGES - 1)) + n <= GROUP_PAGES and n < GROUP_PAGES:
        free_part(s, group_at(s, place), place & (GROUP_PAGES - 1), n)
    else:
        release_far(s, place, n)


# -- taking --------------------------------------------------------------------------------------


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
@cython.inline
@cython.cfunc
def take_part(s: State, group: u64, n: u64, k: u64) -> u64:
    """Take n pages from the front of a free run of 2^k pages in a listed group; their node, or 0.

    A run whose buddy is not free goes first.
    """
    free: u64 = free_bits(s, group)
    runs: u64 = starts(free, k)
    was: u64 = list_of(link_of(s, group))
    if runs == 0 or not is_sound(s, group):
        fail_at_group(s, F_GROUP, group)
        return 0
    if was > k + 1:
        both: u64 = runs & runs >> size(k) & ALIGNED[k + 1]
        alone: u64 = runs & ~(both | both << size(k))
        runs = alone if alone else runs
    i: u64 = ctz(runs)
    place: u64 = place_of_group(s, group) + i
    if s.sparse and not is_backed(s, place, n):
        return 0
    set_free_bits(s, group, free & ~bits(i, n))
    # The largest run is what it was, unless these pages are of the last one, or of one of several.
    around: u64 = block_bits(i, was - 1)
    if runs & (runs - 1) == 0 if was == k + 1 else free & around == around:
        found: u64 = list_for(s, free_bits(s, group))
        if found != was:
            relist(s, group, found)
    node: u64 = node_at(s, place)
    raise_high_water(s, node + n)
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def first_listed(s: State, k: u64, most: u64) -> u64:
    """The first group in the first list of order k or more, up to an order; 0 if there is none.

    Its section is in use afterwards.
    """
    filled: u64 = s.words[H_MASK] & (size(most + 1) - size(k))
    if filled == 0:
        return 0
    order: u64 = ctz(filled)
    group: u64 = group_after(link_of(s, order))
    if group < N_LISTS or not use_group(s, group) or list_of(link_of(s, group)) != order + 1:
        fail(s, F_HEAD, order)
        return 0
    return group


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_listed_part(s: State, n: u64, k: u64) -> u64:
    """`take_part` from the first group in the first list of order k < 6 or more; 0 if there is none."""
    group: u64 = first_listed(s, k, GROUP_ORDER - 1)
    return take_part(s, group, n, k) if group else 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_mostly_used(s: State, group: u64) -> cython.bint:
    """Whether a group has free pages, but only short runs of them."""
    return wrapped(list_of(link_of(s, group)) - 1) <= AREA_ORDER


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def mostly_used_near(s: State, group: u64) -> u64:
    """A mostly used group in the area of a group of the section in use; 0 if there is none."""
    place: u64 = place_of_group(s, group) >> GROUP_ORDER
    near: u64 = group_at(s, (place & (0 - AREA_GROUPS)) << GROUP_ORDER)
    end: u64 = near + AREA_GROUPS
    if near < s.first_group:
        near = s.first_group
    if end > s.end_group:
        end = s.end_group
    while near < end and not is_mostly_used(s, near):
        near += 1
    return near if near < end else 0


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_page(s: State) -> u64:
    """Take a single listed page; its node, or 0.

    It is from the mostly used group of the one before, or from another in its area, as long as there is
    one: so other areas become free.
    """
    group: u64 = s.words[H_AREA]
    if s.words[H_MASK] & (size(AREA_ORDER + 1) - 1) == 0:
        # No group is mostly used.
        group = 0
    elif not use_group(s, group):
        group = 0
    elif not is_mostly_used(s, group):
        group = mostly_used_near(s, group)
    if group == 0:
        group = first_listed(s, 0, GROUP_ORDER - 1)
        if group == 0:
            return 0
    s.words[H_AREA] = group
    return take_part(s, group, 1, 0)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def split(s: State, n: u64, k: u64) -> u64:
    """Take n pages, in whole groups, from the front of the smallest block of order k >= 6 or more.

    Returns their node, or 0. The groups after them return to the lists as one block for each binary
    digit 1 of their number; the pages after them in the last group are the caller's to free.
    """
    if k > s.top:
        return 0
    group: u64 = first_listed(s, k, s.top)
    if group == 0:
        return 0
    k = list_of(link_of(s, group)) - 1
    place: u64 = place_of_group(s, group)
    if not within(s, place, k) or free_bits(s, group):
        fail_at_group(s, F_GROUP, group)
        return 0
    if s.sparse and not is_backed(s, place, n):
        return 0
    remove(s, group)
    taken: u64 = n + GROUP_PAGES - 1 >> GROUP_ORDER
    group += taken
    rest: u64 = size(k - GROUP_ORDER) - taken
    while rest and s.fault == 0:
        j: u64 = ctz(rest)
        push(s, group, j + GROUP_ORDER)
        group += size(j)
        rest &= rest - 1
    node: u64 = node_at(s, place)
    # The rest of the last group is given out without being listed.
    raise_high_water(s, node + (taken << GROUP_ORDER))
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def block_around(s: State, place: u64) -> u64:
    """The order of the free block of whole groups that contains a place; more than `top` if none."""
    k: u64 = GROUP_ORDER
    while k <= s.top:
        start: u64 = place >> k << k
        if within(s, start, k) and list_of(link_of(s, group_at(s, start))) == k + 1:
            return k
        k += 1
    return s.top + 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def order_around(s: State, place: u64) -> u64:
    """The order of the free block that contains this place; more than `top` if there is none."""
    free: u64 = free_bits(s, group_at(s, place))
    i: u64 = place & (GROUP_PAGES - 1)
    if free >> i & 1 == 0:
        return block_around(s, place)
    k: u64 = 0
    while k < s.top and k < GROUP_ORDER and free & block_bits(i, k + 1) == block_bits(i, k + 1):
        k += 1
    return k


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def claim(s: State, place: u64, n: u64) -> cython.void:
    """Remove given pages, known to be free, from the lists; the rest of their blocks stays in."""
    end: u64 = place + n
    if s.sparse and not is_backed(s, place, n):
        return
    raise_high_water(s, node_at(s, end))
    while place < end and s.fault == 0:
        group: u64 = group_at(s, place)
        i: u64 = place & (GROUP_PAGES - 1)
        stop: u64 = place - i + GROUP_PAGES
        if free_bits(s, group):
            if stop > end:
                stop = end
            free: u64 = free_bits(s, group)
            if not is_sound(s, group) or free & bits(i, stop - place) != bits(i, stop - place):
                fail(s, F_FREE, node_at(s, place))
                return
            free &= ~bits(i, stop - place)
            set_free_bits(s, group, free)
            if list_for(s, free) != list_of(link_of(s, group)):
                relist(s, group, list_for(s, free))
        else:
            k: u64 = block_around(s, place)
            if k > s.top:
                fail(s, F_FREE, node_at(s, place))
                return
            start: u64 = place >> k << k
            remove(s, group_at(s, start))
            stop = start + size(k)
            if stop > end:
                stop = end
            if start < place:
                release(s, start, place - start)
            if stop < start + size(k):
                release(s, stop, start + size(k) - stop)
        place = stop
