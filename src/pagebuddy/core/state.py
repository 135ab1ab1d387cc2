"""One allocator's view of its words, and the section in use.

A *section* is a page range. An operation works within one of them, the section in use. It stays in use
for the next operation; changing it costs a search. The geometry is read and checked once, and private
from then on: a flipped bit in the metadata cannot send an operation outside it.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .arith import size
    from .words import (
        CHECKED,
        FIRST_NODE,
        GROUP_ORDER,
        N_LISTS,
        SECTION_WORDS,
        T_GROUP,
        T_NODE,
        T_PAGE,
        T_PAGES,
        i64,
        never,
        rare,
        u64,
        wrapped,
    )


@cython.no_gc
@cython.cclass
class State:
    """Where the words are, and the section in use. Functions of the engine take it as first parameter.

    Invariants: `groups` and `records` are parts of `words`; `first_place <= place < end_place` for every
    place in the section in use; `place + shift` is its node, and `(place >> 6) + group_shift` its group.
    """

    words: cython.p_ulonglong
    groups: cython.p_ulonglong
    records: cython.p_ulonglong
    # Private: SECTION_WORDS words for each section.
    table: cython.p_ulonglong
    n_sections: u64
    n_nodes: u64
    n_groups: u64  # the list heads included
    total: u64  # pages
    top: u64  # the largest order

    section: u64
    first_page: u64
    pages: u64
    first_node: u64
    end_node: u64
    first_place: u64
    end_place: u64
    shift: i64
    first_group: u64
    end_group: u64
    group_shift: i64

    # Results of `search`.
    run_begin: u64
    run_end: u64
    window_begin: u64
    window_end: u64
    free_pages: u64
    longest_run: u64

    fault: u64  # the invariant that does not hold, and the node where
    fault_node: u64

    # If words can be missing: see `granules`. `known` has a bit for each granule that this process knows
    # to be backed; while `holes` is on, `stored` has one for each granule that is not a hole. The words
    # of groups are known to be backed below the place `known_groups`.
    sparse: cython.bint
    holes: cython.bint
    known: cython.p_ulonglong
    stored: cython.p_ulonglong
    known_groups: u64
    skew: u64  # words of the first granule before record 0

    # They keep the memory that the pointers point to.
    words_owner: memoryview
    table_owner: memoryview

    def __cinit__(self) -> None:
        if cython.compiled:
            point_at_nothing(self)  # type: ignore[name-defined]  # noqa: F821


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def fail(s: State, fault: u64, node: u64) -> cython.void:
    """Note the first invariant that does not hold. The engine's caller checks `fault` at the end."""
    if not CHECKED:
        never()
    if s.fault == 0:
        s.fault = fault
        s.fault_node = node


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def use(s: State, i: u64) -> cython.void:
    """Put section i in use."""
    at: u64 = i * SECTION_WORDS
    s.section = i
    s.first_page = s.table[at + T_PAGE]
    s.pages = s.table[at + T_PAGES]
    s.first_node = s.table[at + T_NODE]
    s.end_node = s.first_node + s.pages
    s.first_place = s.first_page & (size(s.top) - 1)
    s.end_place = s.first_place + s.pages
    s.shift = cython.cast(i64, s.first_node) - cython.cast(i64, s.first_place)
    s.first_group = s.table[at + T_GROUP]
    s.group_shift = cython.cast(i64, s.first_group) - cython.cast(i64, s.first_place >> GROUP_ORDER)
    s.end_group = (
        s.first_group + (s.end_place - 1 >> GROUP_ORDER) - (s.first_place >> GROUP_ORDER) + 1
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def section_of(s: State, number: u64, field: u64) -> u64:
    """The last section whose field in the table is at most a number; `n_sections` if there is none."""
    low_i: u64 = 0
    high_i: u64 = s.n_sections
    while low_i < high_i:
        middle: u64 = (low_i + high_i) >> 1
        if s.table[middle * SECTION_WORDS + field] <= number:
            low_i = middle + 1
        else:
            high_i = middle
    return low_i - 1 if low_i else s.n_sections


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def use_node_elsewhere(s: State, node: u64) -> cython.bint:
    """`use_node` for a node that is not in the section in use."""
    if node < FIRST_NODE or node >= s.n_nodes:
        return False
    use(s, section_of(s, node, T_NODE))
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def use_node(s: State, node: u64) -> cython.bint:
    """Put the section that contains this node in use; False if there is none."""
    return wrapped(node - s.first_node) < s.pages or use_node_elsewhere(s, node)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def node_elsewhere(s: State, page: u64) -> u64:
    """`node_of` for a page that is not in the section in use."""
    i: u64 = section_of(s, page, T_PAGE)
    at: u64 = i * SECTION_WORDS
    if i == s.n_sections or page - s.table[at + T_PAGE] >= s.table[at + T_PAGES]:
        return 0
    use(s, i)
    return s.first_node + (page - s.first_page)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def node_of(s: State, page: u64) -> u64:
    """The node of a page, its section in use afterwards; 0 if no section contains it."""
    i: u64 = wrapped(page - s.first_page)
    if rare(i >= s.pages):
        return node_elsewhere(s, page)
    return s.first_node + i


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def page_of(s: State, node: u64) -> u64:
    """The page of a node of the section in use."""
    return s.first_page + (node - s.first_node)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def place_of(s: State, node: u64) -> u64:
    """The place of a node of the section in use."""
    place: u64 = cython.cast(i64, node) - s.shift
    return place


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def node_at(s: State, place: u64) -> u64:
    """The node of a place of the section in use."""
    node: u64 = cython.cast(i64, place) + s.shift
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def group_at(s: State, place: u64) -> u64:
    """The group of a place of the section in use."""
    group: u64 = cython.cast(i64, place >> GROUP_ORDER) + s.group_shift
    return group


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def place_of_group(s: State, group: u64) -> u64:
    """The place where a group of the section in use starts; it can be before the section."""
    place: u64 = cython.cast(u64, cython.cast(i64, group) - s.group_shift) << GROUP_ORDER
    return place


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def use_group_elsewhere(s: State, group: u64) -> cython.bint:
    """`use_group` for a group that is not in the section in use."""
    if group < N_LISTS or group >= s.n_groups:
        return False
    use(s, section_of(s, group, T_GROUP))
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def use_group(s: State, group: u64) -> cython.bint:
    """Put the section that contains this group in use; False if there is none."""
    if s.first_group <= group and group < s.end_group:
        return True
    return use_group_elsewhere(s, group)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def fail_at_group(s: State, fault: u64, group: u64) -> cython.void:
    """`fail` at the first page of a group. This can put another section in use."""
    node: u64 = 0
    if use_group(s, group):
        place: u64 = place_of_group(s, group)
        node = node_at(s, place if place > s.first_place else s.first_place)
    fail(s, fault, node)
