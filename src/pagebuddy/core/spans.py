"""Allocate, free and resize live spans. Only this file and `batch` write records.

A record is written last when a span is allocated, and cleared first when it is freed, in one store each:
that store commits the operation. *Taking* pages changes only the free lists; `commit` makes a span of
the pages taken. Other words, a hold for example, can be stored in between.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .arith import ctz, log2, order_for, size
    from .aside import (
        after_aside,
        cut_front,
        cut_ready,
        let_wait,
        put_aside,
        set_run,
        settle,
        settle_run,
        take_aside,
        take_ready,
        take_waiting,
    )
    from .granules import is_known
    from .search import all_free, find, free_until
    from .state import State, fail, group_at, node_at, place_of, use_node
    from .tree import claim, free_part, release, split, take_listed_part, take_page
    from .words import (
        F_RECORD,
        GROUP_ORDER,
        GROUP_PAGES,
        H_FRONT,
        H_GENERATION,
        H_HIGH_WATER,
        H_MASK,
        H_OPEN,
        NO_PAGE,
        WAIT_WORDS,
        is_live,
        low,
        opaque,
        pages_in,
        rare,
        record,
        store,
        u64,
        wrapped,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_small(place: u64, n: u64) -> cython.bint:
    """Whether n pages at a place are a block of less than a group, so that it may wait."""
    return n < GROUP_PAGES and (place | n) & (n - 1) == 0


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def open_block(s: State, n: u64, k: u64) -> u64:
    """Take n pages from the front of a free block of whole groups; their node, or 0.

    The rest of its last group is the front if n is less than a group, else it is listed.
    """
    node: u64 = split(s, n, k if k > GROUP_ORDER else GROUP_ORDER)
    rest: u64 = (0 - n) & (GROUP_PAGES - 1)
    if node and rest and s.fault == 0:
        if n < GROUP_PAGES:
            set_run(s, H_FRONT, node + n, rest)
        else:
            free_part(s, group_at(s, place_of(s, node) + n), n & (GROUP_PAGES - 1), rest)
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_from_block(s: State, n: u64, k: u64) -> u64:
    """Take n pages from the front of a free block of order k or more; their node, or 0.

    From a group in use if that is possible, then from the front, then from a block of whole groups.
    """
    node: u64 = 0
    if k == 0:
        node = take_page(s)
    elif k < GROUP_ORDER:
        node = take_listed_part(s, n, k)
    if node or s.fault or k > s.top:
        return node
    if n < GROUP_PAGES and s.words[H_FRONT]:
        node = cut_front(s, n, k)
        if node or s.fault:
            return node
        settle_run(s, H_FRONT)
        if k < GROUP_ORDER and s.fault == 0:
            node = take_listed_part(s, n, k)
    return node if node or s.fault else open_block(s, n, k)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_settled(s: State, n: u64, k: u64) -> u64:
    """`take_from_block`, and once more after all that is not listed was settled."""
    node: u64 = take_from_block(s, n, k)
    while node == 0 and s.fault == 0 and settle(s):
        node = take_from_block(s, n, k)
    if node == 0 or s.fault:
        return 0
    s.words[H_OPEN] = group_at(s, place_of(s, node))
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_found(s: State, n: u64, above: u64, last: u64, align: u64) -> u64:
    """Take the first n aligned free pages from `above` to `last`, across blocks; their node, or 0."""
    settle(s)
    node: u64 = find(s, n, above, last, align)
    if node and s.fault == 0:
        claim(s, place_of(s, node), n)
    return node if s.fault == 0 else 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def take_ready_front(s: State, n: u64, k: u64) -> u64:
    """Take n <= 2^k < 64 pages from the front if no group in use has them; their node, or 0."""
    node: u64 = 0
    if (
        s.words[H_MASK] & (GROUP_PAGES - size(k)) == 0
        and s.records[WAIT_WORDS * k] == 0
        and not s.sparse
    ):
        node = cut_ready(s, n, k)
        if node:
            s.words[H_OPEN] = group_at(s, place_of(s, node))
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_unready(s: State, n: u64, k: u64, across: cython.bint) -> u64:
    """Take n <= 2^k pages, where no such span is ready or aside; their node, or 0.

    From a free block of order k or more; if there is none, also across blocks if that is allowed.
    """
    node: u64 = 0
    if s.fault:
        return 0
    # A span can wait in a section that was not in use.
    if k < GROUP_ORDER and n == size(k):
        node = take_waiting(s, n, k)
    if node == 0 and s.fault == 0:
        node = take_settled(s, n, k)
    if node == 0 and s.fault == 0 and across:
        node = take_found(s, n, 0, NO_PAGE, 1)
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_not_waiting(s: State, n: u64, k: u64, across: cython.bint) -> u64:
    """`take_unready`, with the most common case first."""
    node: u64 = take_ready_front(s, n, k) if k < GROUP_ORDER else 0
    return node if node else take_unready(s, n, k, across)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def take_block(s: State, k: u64) -> u64:
    """Take one block of order k; its node, or 0."""
    n: u64 = opaque(size(k))
    node: u64 = take_ready(s, n, k) if k < GROUP_ORDER else take_aside(s, n)
    return node if node else take_not_waiting(s, n, k, False)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_pages(s: State, n: u64) -> u64:
    """`take` for more than one page."""
    node: u64 = take_ready(s, n, ctz(n)) if is_small(0, n) else take_aside(s, n)
    return node if node else take_not_waiting(s, n, order_for(n), True)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def take(s: State, n: u64) -> u64:
    """Take n pages, at most `total`; their node, or 0. Their section is in use afterwards."""
    # A single page has a branch of its own, in which the order is a constant.
    if n > 1:
        return take_pages(s, n)
    node: u64 = take_ready(s, 1, 0)
    if node == 0:
        node = take_ready_front(s, 1, 0)
    return node if node else take_unready(s, 1, 0, True)


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
        node = take_settled(s, n, k)
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
    store(s.records, node, record(n, generation))


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def length(s: State, node: u64) -> u64:
    """The pages of the live span at a node of the section in use; 0 and a fault if impossible."""
    n: u64 = pages_in(s.records[node])
    if rare(wrapped(n - 1) >= s.end_node - node):
        fail(s, F_RECORD, node)
        return 0
    return n


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def free_small(s: State, group: u64, i: u64, n: u64) -> cython.void:
    """Free a small block that does not wait.

    The processor foretells whether n is 1, and need not wait for the record. A compiler that knew would
    calculate with n in place of 1.
    """
    if opaque(n) < 2:
        free_part(s, group, i, 1)
    else:
        free_part(s, group, i, n)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def give(s: State, node: u64) -> cython.void:
    """Free the live span at a node of the section in use."""
    n: u64 = length(s, node)
    if rare(n == 0):
        return
    store(s.records, node, 0)
    place: u64 = place_of(s, node)
    if rare(not is_small(place, n)):
        put_aside(s, node, n)
    elif not let_wait(s, node, place, ctz(n)):
        free_small(s, group_at(s, place), place & (GROUP_PAGES - 1), n)


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
    word: u64 = s.records[node]
    if was == 0:
        return False
    if n > was and (node + n > s.end_node or not take_given(s, node + was, n - was)):
        return False
    if s.fault == 0:
        store(s.records, node, record(n, low(word)))
        if n < was:
            release(s, place_of(s, node) + n, was - n)
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def next_live(s: State, node: u64) -> u64:
    """The first node of a live span from this node on, its section in use; 0 after the last.

    The given node must not be inside a live span; it can be inside free pages.
    """
    high: u64 = s.words[H_HIGH_WATER]
    if high > s.n_nodes:
        high = s.n_nodes
    while node < high:
        if not use_node(s, node):
            return 0
        # The record of a page in a free run may not be backed.
        is_read: cython.bint = not s.sparse or is_known(s, node)
        if is_read and is_live(s.records[node]):
            return node
        after: u64 = after_aside(s, node)
        if after == node:
            after = node_at(s, free_until(s, place_of(s, node)))
        if after == node:
            if not is_read and is_live(s.records[node]):
                return node
            after += 1
        node = after
    return 0
