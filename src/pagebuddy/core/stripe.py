"""A stripe: the free list and the bits of one order.

A list is circular and doubly linked, with one sentinel per order: group k is the head of order k. A
group is only unlinked if both of its neighbours point back to it. The mask in the header marks the
lists that are not empty.

The bits of the six lowest stripes share one word a group, because a block is free if all its pages are:
split and merge change bits of one word. A group is in one list, that of its largest free run. From order
6 on a stripe's blocks consist of whole groups, whose own bits are then 0; a block's bit is the order in
the link of its first group.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .arith import size
    from .state import State, fail_at_group
    from .words import (
        F_NEIGHBOURS,
        G_LINK,
        GROUP_WORDS,
        H_MASK,
        group_after,
        group_before,
        has_sound_order,
        in_list,
        list_of,
        u64,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def link_of(s: State, group: u64) -> u64:
    """The link of a group, or of a list head."""
    return s.groups[GROUP_WORDS * group + G_LINK]


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def push(s: State, group: u64, k: u64) -> cython.void:
    """Put a group that is in no list into the list of order k.

    In front if its address is lower than that of the first one, else at the end: so lower addresses tend
    to be used first, and higher ones to become free.
    """
    head: u64 = link_of(s, k)
    before: u64 = group_before(head)
    after: u64 = k
    if group < group_after(head):
        before = k
        after = group_after(head)
    if (
        before >= s.n_groups
        or after >= s.n_groups
        or group_after(link_of(s, before)) != after
        or group_before(link_of(s, after)) != before
    ):
        fail_at_group(s, F_NEIGHBOURS, group)
        return
    s.groups[GROUP_WORDS * group + G_LINK] = in_list(k) | before << 28 | after
    s.groups[GROUP_WORDS * before + G_LINK] ^= after ^ group
    s.groups[GROUP_WORDS * after + G_LINK] ^= (before ^ group) << 28
    s.words[H_MASK] |= size(k)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def remove(s: State, group: u64) -> cython.void:
    """Remove a group from its list."""
    link: u64 = link_of(s, group)
    before: u64 = group_before(link)
    after: u64 = group_after(link)
    if (
        before >= s.n_groups
        or after >= s.n_groups
        or list_of(link) == 0
        or list_of(link) > s.top + 1
        or not has_sound_order(link)
        or group_after(link_of(s, before)) != group
        or group_before(link_of(s, after)) != group
    ):
        fail_at_group(s, F_NEIGHBOURS, group)
        return
    s.groups[GROUP_WORDS * before + G_LINK] ^= group ^ after
    s.groups[GROUP_WORDS * after + G_LINK] ^= (group ^ before) << 28
    s.groups[GROUP_WORDS * group + G_LINK] = 0
    emptied: u64 = before == after
    s.words[H_MASK] &= ~(emptied << (list_of(link) - 1))
