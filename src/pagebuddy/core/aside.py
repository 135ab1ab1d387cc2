"""Free pages that are kept outside the lists, so that the next allocation can take them at once.

- Spans of 2^k < 64 pages, up to seven of each order, *wait* as they were freed.
- One other span, the one freed last, is *aside*.
- The *front* is the rest of the group that was opened last. Spans are cut from it.

They are free pages to every query: to *settle* them is to move them to the lists, which every query
does first. Each is stored twice: a flipped bit shows, and never names other pages.

A small span waits only if no listed run in its group is as large, or if its group is the one from which
a span was taken last, and no other span of its order waits. Others are listed at once, so that groups
that are mostly free become free as a whole.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .arith import is_aligned, size
    from .granules import is_backed, is_known
    from .state import State, fail, group_at, place_of, use_node
    from .stripe import link_of
    from .tree import release
    from .words import (
        F_ASIDE,
        F_WAIT,
        GROUP_ORDER,
        H_ASIDE,
        H_FRONT,
        H_FRONT_COPY,
        H_OPEN,
        MOST_WAITING,
        ONE_TWICE,
        WAIT_WORDS,
        is_live,
        is_twice,
        list_of,
        low,
        pages_in,
        rare,
        twice,
        u64,
        wrapped,
    )


# -- the span aside, and the front ---------------------------------------------------------------


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def set_run(s: State, at: u64, node: u64, n: u64) -> cython.void:
    """Store the span aside, or the front: the header word at `at`, and its copy behind it."""
    run: u64 = n << 32 | node if n else 0
    s.words[at] = run
    s.words[at + 1] = run


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def run_at(s: State, at: u64) -> u64:
    """The word of the span aside, or of the front; 0 if there is none, or a fault."""
    run: u64 = s.words[at]
    if run != s.words[at + 1] or (
        run
        and not (
            use_node(s, low(run))
            and pages_in(run)
            and pages_in(run) <= s.end_node - low(run)
            # The record of a page in front may not be backed yet.
            and ((s.sparse and not is_known(s, low(run))) or s.records[low(run)] == 0)
        )
    ):
        fail(s, F_ASIDE, low(run))
        return 0
    return run


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def settle_run(s: State, at: u64) -> cython.bint:
    """Move the span aside, or the front, to the lists; whether there was one."""
    run: u64 = run_at(s, at)
    if run == 0:
        return False
    set_run(s, at, 0, 0)
    release(s, place_of(s, low(run)), pages_in(run))
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def put_aside(s: State, node: u64, n: u64) -> cython.void:
    """Make a span of the section in use the span aside; settle the one before."""
    before: u64 = run_at(s, H_ASIDE)
    set_run(s, H_ASIDE, node, n)
    if before:
        release(s, place_of(s, low(before)), pages_in(before))


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_aside(s: State, n: u64) -> u64:
    """Take the span aside if it has n pages and is suitably aligned; its node, or 0."""
    if pages_in(s.words[H_ASIDE]) != n:
        return 0
    node: u64 = low(run_at(s, H_ASIDE))
    if s.fault or not is_aligned(place_of(s, node), n):
        return 0
    set_run(s, H_ASIDE, 0, 0)
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def cut_ready(s: State, n: u64, k: u64) -> u64:
    """Cut n <= 2^k pages from the front, if it starts at a multiple of 2^k pages of the section in use.

    Returns their node, or 0 if anything is not as it should be. Then `cut_front` looks what it is.
    """
    run: u64 = s.words[H_FRONT]
    node: u64 = low(run)
    if (
        pages_in(run) < n
        or place_of(s, node) & (size(k) - 1)
        or rare(run != s.words[H_FRONT_COPY])
        or rare(wrapped(node - s.first_node) >= s.pages)
        or rare(pages_in(run) > s.end_node - node)
        or rare(s.records[node] != 0)
    ):
        return 0
    set_run(s, H_FRONT, node + n, pages_in(run) - n)
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def cut_front(s: State, n: u64, k: u64) -> u64:
    """`cut_ready` in whatever section the front is; faults are noted."""
    if pages_in(s.words[H_FRONT]) < n:
        return 0
    run: u64 = run_at(s, H_FRONT)
    if s.fault or (s.sparse and not is_backed(s, place_of(s, low(run)), n)):
        return 0
    return cut_ready(s, n, k)


# -- small spans that wait -----------------------------------------------------------------------


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def take_ready(s: State, n: u64, k: u64) -> u64:
    """Take the span of n = 2^k < 64 pages that was freed last and waits, if it is in the section in use.

    Returns its node, or 0 if anything is not as it should be. Then `take_waiting` looks what it is.
    """
    at: u64 = WAIT_WORDS * k
    rest: u64 = wrapped(s.records[at] - ONE_TWICE)
    if low(rest) >= MOST_WAITING or not is_twice(rest):
        return 0
    found: u64 = s.records[at + 1 + low(rest)]
    node: u64 = low(found)
    if (
        rare(not is_twice(found))
        or rare(wrapped(node - s.first_node) >= s.pages)
        or rare(n > s.end_node - node)
        or rare(s.records[node] != 0)
        or rare(place_of(s, node) & (n - 1) != 0)
    ):
        return 0
    s.records[at] = rest
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def check_waiting(s: State, k: u64) -> cython.void:
    """Note a fault if the number of spans of order k that wait cannot be right."""
    word: u64 = s.records[WAIT_WORDS * k]
    if not is_twice(word) or low(word) > MOST_WAITING:
        fail(s, F_WAIT, 0)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_waiting(s: State, n: u64, k: u64) -> u64:
    """Take the span of n = 2^k < 64 pages that was freed last and waits; its node, or 0."""
    word: u64 = s.records[WAIT_WORDS * k]
    check_waiting(s, k)
    if word == 0 or s.fault:
        return 0
    node: u64 = low(s.records[WAIT_WORDS * k + low(word)])
    use_node(s, node)
    found: u64 = take_ready(s, n, k)
    if found == 0:
        fail(s, F_WAIT, node)
    return found


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def let_wait(s: State, node: u64, place: u64, k: u64) -> cython.bint:
    """Let a free block of order k < 6 wait, if it should and there is a place."""
    at: u64 = WAIT_WORDS * k
    word: u64 = s.records[at]
    n: u64 = low(word)
    group: u64 = group_at(s, place)
    if (group != s.words[H_OPEN] or n) and list_of(link_of(s, group)) > k:
        return False
    if n >= MOST_WAITING or rare(not is_twice(word)):
        check_waiting(s, k)
        return False
    s.records[at + n + 1] = twice(node)
    s.records[at] = word + ONE_TWICE
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def settle(s: State) -> cython.bint:
    """Move all that is aside, in front or waiting to the lists; whether anything was.

    This can put another section in use.
    """
    found: cython.bint = settle_run(s, H_ASIDE)
    found |= settle_run(s, H_FRONT)
    k: u64 = 0
    while k < GROUP_ORDER:
        node: u64 = take_waiting(s, size(k), k)
        if node:
            release(s, place_of(s, node), size(k))
            found = True
        if node == 0 or s.fault:
            k += 1
    return found and s.fault == 0


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def is_cached(s: State, node: u64) -> cython.bint:
    """Whether a node is in the span aside, in the front, or in a span that waits. Changes nothing."""
    aside: u64 = s.words[H_ASIDE]
    front: u64 = s.words[H_FRONT]
    found: cython.bint = low(aside) <= node and node < low(aside) + pages_in(aside)
    found |= low(front) <= node and node < low(front) + pages_in(front)
    k: u64 = 0
    while k < GROUP_ORDER:
        i: u64 = 1
        while i <= low(s.records[WAIT_WORDS * k]) and i <= MOST_WAITING:
            first: u64 = low(s.records[WAIT_WORDS * k + i])
            found |= first <= node and node < first + size(k)
            i += 1
        k += 1
    return found


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def after_aside(s: State, node: u64) -> u64:
    """The node after the span aside, if it contains this node of the section in use; else the node.

    For walks that must not settle. It stops at a record: the records are the source of truth, so a wrong
    word must not hide a live span.
    """
    aside: u64 = s.words[H_ASIDE]
    end: u64 = low(aside) + pages_in(aside)
    if node < low(aside) or end > s.end_node:
        return node
    while node < end and not is_live(s.records[node]):
        node += 1
    return node
