"""Allocate, free and resize live spans. Only this file and `batch` write records.

A record is written last when a span is allocated, and cleared first when it is freed, in one store each:
that store commits the operation. *Taking* pages changes only the free lists; `commit` makes a span of
the pages taken. Other words, a hold for example, can be stored in between.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .arith import log2, order_for, size
    from .aside import after_aside, cut, put_aside, settle, take_aside, take_aside_elsewhere
    from .granules import can_start
    from .search import all_free, find
    from .state import State, fail, node_at, place_of, use_node
    from .tree import claim, order_around, release, split
    from .words import (
        F_RECORD,
        H_ASIDE,
        H_GENERATION,
        H_HIGH_WATER,
        NO_PAGE,
        is_live,
        low,
        pages_in,
        record,
        store,
        u64,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_front(s: State, n: u64, k: u64) -> u64:
    """Take n pages from the front of the smallest listed block of order k or more; their node, or 0.

    The cached run is settled before this fails.
    """
    node: u64 = split(s, n, k)
    if node == 0 and s.fault == 0 and s.words[H_ASIDE]:
        settle(s)
        node = split(s, n, k)
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_block(s: State, k: u64) -> u64:
    """Take one block of order k; its node, or 0."""
    node: u64 = cut(s, size(k), k)
    if node == 0 and s.fault == 0:
        node = take_aside_elsewhere(s, size(k))
    return node if node or s.fault else take_front(s, size(k), k)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_found(s: State, n: u64, above: u64, last: u64, align: u64) -> u64:
    """Take the first n aligned free pages from `above` to `last`, across blocks; their node, or 0."""
    settle(s)
    node: u64 = find(s, n, above, last, align)
    if node and s.fault == 0:
        claim(s, place_of(s, node), n)
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_listed(s: State, n: u64) -> u64:
    """Take n pages if the cached run does not fit as it is; their node, or 0."""
    node: u64 = cut(s, n, order_for(n))
    if node == 0 and s.fault == 0:
        node = take_aside_elsewhere(s, n)
    if node == 0 and s.fault == 0:
        node = take_front(s, n, order_for(n))
    if node == 0 and s.fault == 0:
        node = take_found(s, n, 0, NO_PAGE, 1)
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def take(s: State, n: u64) -> u64:
    """Take n pages, at most `total`; their node, or 0. Their section is in use afterwards."""
    node: u64 = take_aside(s, n)
    return node if node else take_listed(s, n)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_aligned(s: State, n: u64, align: u64) -> u64:
    """Take n pages whose first is a multiple of align; their node, or 0."""
    k: u64 = order_for(n)
    if log2(align) > k:
        k = log2(align)
    node: u64 = 0
    if k <= s.top:
        node = cut(s, n, k)
        if node == 0 and s.fault == 0:
            node = take_front(s, n, k)
    if node == 0 and s.fault == 0:
        node = take_found(s, n, 0, NO_PAGE, align)
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def commit(s: State, node: u64, n: u64) -> cython.void:
    """Make a live span of n pages that were taken."""
    generation: u64 = low(s.words[H_GENERATION] + 1)
    s.words[H_GENERATION] = generation
    store(s.links, node, record(n, generation))


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def length(s: State, node: u64) -> u64:
    """The pages of the live span at a node of the section in use; 0 and a fault if impossible."""
    n: u64 = pages_in(s.links[node])
    if n == 0 or node + n > s.end_node:
        fail(s, F_RECORD, node)
        return 0
    return n


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def give(s: State, node: u64) -> cython.void:
    """Free the live span at a node of the section in use."""
    n: u64 = length(s, node)
    if n:
        store(s.links, node, 0)
        put_aside(s, node, n)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_given(s: State, node: u64, n: u64) -> cython.bint:
    """Take given pages, all of one section; False if one is not free."""
    settle(s)
    use_node(s, node)
    if s.fault or not all_free(s, place_of(s, node), n):
        return False
    claim(s, place_of(s, node), n)
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def resize(s: State, node: u64, n: u64) -> cython.bint:
    """Resize the live span at a node of the section in use to n pages, in place; False if impossible."""
    was: u64 = length(s, node)
    word: u64 = s.links[node]
    if was == 0:
        return False
    if n > was and (node + n > s.end_node or not take_given(s, node + was, n - was)):
        return False
    if n < was and s.sparse:
        place: u64 = place_of(s, node)
        if not can_start(s, place, n) or not can_start(s, place + n, was - n):
            return False
    if s.fault == 0:
        store(s.links, node, record(n, low(word)))
        if n < was:
            release(s, place_of(s, node) + n, was - n)
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def next_live(s: State, node: u64) -> u64:
    """The first node of a live span from this node on, its section in use; 0 after the last.

    The given node must not be inside a live span; it can be inside free pages or the cached run.
    """
    high: u64 = s.words[H_HIGH_WATER]
    if high > s.n_nodes:
        high = s.n_nodes
    while node < high:
        if not use_node(s, node):
            return 0
        if is_live(s.links[node]):
            return node
        after: u64 = after_aside(s, node)
        if after == node:
            place: u64 = place_of(s, node)
            k: u64 = order_around(s, place)
            after = node + 1 if k > s.top else node_at(s, ((place >> k) + 1) << k)
        node = after
    return 0
