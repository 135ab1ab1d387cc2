"""Many spans in one call. A call that fails changes nothing; after a crash, each record counts."""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .arith import log2, size
    from .aside import settle
    from .search import are_free
    from .spans import commit, give, length, take, take_block, take_settled
    from .state import State, fail, node_of, page_of, place_of, use_node
    from .tree import release
    from .words import F_LIST, H_GENERATION, H_MASK, NO_PAGE, is_live, low, record, store, u64


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def free_all(s: State, pages: cython.p_ulonglong, count: u64) -> cython.void:
    """Free live spans, no two equal. Adjacent spans that follow each other are freed as one run."""
    settle(s)
    begin: u64 = 0
    n: u64 = 0
    i: u64 = 0
    while i < count:
        node: u64 = node_of(s, pages[i])
        more: u64 = length(s, node)
        store(s.records, node, 0)
        if n and node == begin + n and node != s.first_node:
            n += more
        else:
            if n and use_node(s, begin):
                release(s, place_of(s, begin), n)
            begin = node
            n = more
        i += 1
    if n and use_node(s, begin):
        release(s, place_of(s, begin), n)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def commit_run(
    s: State, node: u64, k: u64, count: u64, pages: cython.p_ulonglong, done: u64
) -> cython.void:
    """Make live spans of 2^k pages each of a run that was taken; their pages go to `pages[done]` on."""
    generation: u64 = s.words[H_GENERATION]
    s.words[H_GENERATION] = low(generation + count)
    page: u64 = page_of(s, node)
    end: u64 = done + count
    while done < end:
        generation = low(generation + 1)
        pages[done] = page
        store(s.records, node, record(size(k), generation))
        node += size(k)
        page += size(k)
        done += 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def alloc_blocks(s: State, k: u64, count: u64, pages: cython.p_ulonglong) -> cython.bint:
    """Allocate blocks of order k into `pages`; False, with none allocated, if there are too few.

    Each step takes the largest block that the rest of the batch fills, or else the front of the smallest
    larger one: one removal from a list serves many spans.
    """
    done: u64 = 0
    settle(s)
    if s.fault or not are_free(s, k, count):
        return False
    while done < count and s.fault == 0:
        filled: u64 = s.words[H_MASK] >> k & (2 * size(log2(count - done)) - 1)
        j: u64 = k + log2(filled if filled else count - done)
        node: u64 = take_settled(s, size(j), j) if j <= s.top else 0
        while node == 0 and s.fault == 0 and j > k:
            j -= 1
            node = take_settled(s, size(j), j) if j <= s.top else 0
        if node == 0:
            fail(s, F_LIST, 0)
        elif s.fault == 0:
            commit_run(s, node, k, size(j - k), pages, done)
            done += size(j - k)
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def ascend(pages: cython.p_ulonglong, count: u64) -> cython.bint:
    """Whether each page is higher than the one before it, so that no two are equal."""
    i: u64 = 1
    while i < count and pages[i - 1] < pages[i]:
        i += 1
    return i >= count


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def first_bad(
    s: State, pages: cython.p_ulonglong, count: u64, seen: cython.p_uchar, room: u64
) -> u64:
    """The index of the first page that does not start a live span or is given twice; else count.

    `seen` has a bit, clear, for each of `room` nodes. It has none if all pages ascend;
    then one that does not counts as bad.
    """
    ascending: cython.bint = True
    i: u64 = 0
    while i < count and s.fault == 0:
        node: u64 = node_of(s, pages[i])
        if node == 0 or not is_live(s.records[node]) or length(s, node) == 0:
            return i
        if i and pages[i] <= pages[i - 1] and ascending:
            if room < s.n_nodes:
                return i
            # No two pages were equal so far; from here on, look up each.
            ascending = False
            j: u64 = 0
            while j < i:
                mark(s, pages[j], seen)
                j += 1
        if not ascending and not mark(s, pages[i], seen):
            return i
        i += 1
    return count


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def mark(s: State, page: u64, seen: cython.p_uchar) -> cython.bint:
    """Mark a page as seen; False if it was marked before."""
    node: u64 = node_of(s, page)
    bit: u64 = size(node & 7)
    if seen[node >> 3] & bit:
        return False
    seen[node >> 3] |= bit
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def run_all(
    s: State,
    ops: cython.p_ulonglong,
    n_ops: u64,
    pages: cython.p_ulonglong,
    n_slots: u64,
) -> u64:
    """Run a list of operations; return the number of allocations that failed. Stops at a fault.

    An operation is `what << 32 | slot`. A `what` of 0 frees the slot's span, n allocates n pages,
    2^31 + k a block of order k. An empty slot contains 2^64 - 1. `run_begin` becomes the index of the
    first operation with a bad slot or page; else the number of operations.
    """
    failed: u64 = 0
    i: u64 = 0
    while i < n_ops and s.fault == 0:
        slot: u64 = low(ops[i])
        what: u64 = ops[i] >> 32
        if slot >= n_slots:
            break
        node: u64 = 0
        if what == 0:
            # Read once: the array is the caller's, and may be changed meanwhile.
            page: u64 = pages[slot]
            if page != NO_PAGE:
                node = node_of(s, page)
                if node == 0 or not is_live(s.records[node]):
                    break
                give(s, node)
                pages[slot] = NO_PAGE
        else:
            n: u64 = what
            if what >> 31:
                k: u64 = what - size(31)
                if k <= s.top:
                    n = size(k)
                    node = take_block(s, k)
            elif what <= s.total:
                node = take(s, what)
            if node:
                commit(s, node, n)
                pages[slot] = page_of(s, node)
            else:
                pages[slot] = NO_PAGE
                failed += 1
        i += 1
    s.run_begin = i
    return failed
