"""What the operations on an arena do, each between `enter` and `leave`."""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.aside import settle
    from pagebuddy.core.search import measure, next_run
    from pagebuddy.core.spans import commit, length, next_live, resize, take, take_aligned
    from pagebuddy.core.state import fail, node_at, place_of, use_node
    from pagebuddy.core.tree import claim
    from pagebuddy.core.words import (
        H_COUNTS,
        MISSING,
        N_HEADS,
        NO_PAGE,
        low,
        store,
        u64,
    )
    from pagebuddy.sharing.holding.directory import find_key, find_node, forget, keep
    from pagebuddy.sharing.holding.holds import (
        bytes_within,
        first_buffer,
        fits,
        hold_alone,
        holds,
        is_held_by_me_alone,
        is_the_buffer,
    )
    from pagebuddy.sharing.holding.magazine import (
        empty_magazine,
        empty_magazines,
        is_used,
        join_hold,
    )
    from pagebuddy.sharing.recording.recording import record_hold, record_resize
    from pagebuddy.sharing.recovery.takeover import next_buffer
    from pagebuddy.sharing.request import Request
    from pagebuddy.sharing.state import ArenaState, entry_at, holds_at
    from pagebuddy.sharing.words import (
        A_NUMBER,
        A_TOUCHED,
        A_TRIMS,
        DONE,
        ENTRY_BYTES,
        ENTRY_GENERATION,
        ENTRY_KEY,
        ENTRY_NODE,
        ENTRY_STATE,
        F_ENTRY,
        KEY_WORDS,
        MISSING_DIRECTORY,
        NO_PAGES,
        NOT_FOUND,
        NOT_LIVE,
        SHARED,
        TAPE_BYTES,
        TAPE_LINE,
        UNBACKED,
        tickets_in,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def touch(a: ArenaState, end: u64) -> cython.void:
    """Remember that pages below a node may hold anything: no others do."""
    if end > a.base[A_TOUCHED]:
        store(a.base, A_TOUCHED, end)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def stopped(a: ArenaState) -> u64:
    """Why there are no pages: NO_PAGES, or UNBACKED, and `fault_node` tells the granule."""
    if a.fault == MISSING:
        a.fault = 0
        return UNBACKED
    return NO_PAGES


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def do_alloc(a: ArenaState, n: u64, n_bytes: u64, align: u64) -> u64:
    """Make a buffer of n pages, at most all there are, held by this process; its node, or NO_PAGES."""
    node: u64 = take(a, n) if align == 1 else take_aligned(a, n, align)
    if node == 0 or a.fault:
        return stopped(a)
    hold_alone(a, node)
    touch(a, node + n)
    commit(a, node, n)
    if node < a.recorded:
        record_hold(a, node, n_bytes)
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_alloc_told(a: ArenaState, r: Request) -> u64:
    """`do_alloc` that also tells in `free` how many of the pages were never used before."""
    touched: u64 = a.base[A_TOUCHED]
    node: u64 = do_alloc(a, r.n, r.n_bytes, r.align)
    if node == NO_PAGES and empty_magazines(a):
        node = do_alloc(a, r.n, r.n_bytes, r.align)
    if node < N_HEADS:
        r.missing = a.fault_node
        return node
    r.node = node
    end: u64 = node + r.n
    r.free = 0 if end <= touched else end - (touched if touched > node else node)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_take_free(a: ArenaState, r: Request) -> u64:
    """Make a buffer of the first free pages from a node on that were ever used, n at most.

    They are about to be given back to the system.
    """
    empty_magazines(a)
    settle(a)
    end: u64 = a.base[A_TOUCHED]
    if r.node >= end or not use_node(a, r.node) or a.fault:
        return NO_PAGES
    next_run(a, place_of(a, r.node), r.n)
    node: u64 = node_at(a, a.run_begin)
    if a.fault or a.run_begin >= a.end_place or node >= end:
        return NO_PAGES
    n: u64 = a.run_end - a.run_begin
    if n > r.n:
        n = r.n
    if n > end - node:
        n = end - node
    claim(a, a.run_begin, n)
    if a.fault:
        r.missing = a.fault_node
        return stopped(a)
    # Before they can be anybody else's: who finds that changed knows of no page that it is there.
    store(a.base, A_TRIMS, a.base[A_TRIMS] + 1)
    hold_alone(a, node)
    commit(a, node, n)
    if node < a.recorded:
        record_hold(a, node, n << a.page_bits)
    r.node = node
    r.n = n
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_join(a: ArenaState, r: Request) -> u64:
    """One object more for the live buffer at a node; its pages, bytes (of a kept one), generation."""
    if not is_used(a, r.node):
        return NOT_LIVE
    r.n = length(a, r.node)
    r.generation = low(a.links[r.node])
    if r.n_bytes == 0 and holds(a, r.node, 0):
        index: u64 = find_node(a, r.node)
        if index < a.n_entries:
            r.n_bytes = a.entries[entry_at(index) + ENTRY_BYTES]
    r.n_bytes = bytes_within(a, r.node, r.n_bytes)
    join_hold(a, r.node, r.n_bytes)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_find(a: ArenaState, r: Request) -> u64:
    """`do_join` for the buffer that is kept under a key; its bytes as well."""
    index: u64 = find_key(a, r.key)
    if index == a.n_entries:
        return NOT_FOUND
    at: u64 = entry_at(index)
    r.node = a.entries[at + ENTRY_NODE]
    r.n_bytes = a.entries[at + ENTRY_BYTES]
    generation: u64 = a.entries[at + ENTRY_GENERATION]
    if not is_the_buffer(a, r.node, generation) or not fits(a, r.node, r.n_bytes):
        fail(a, F_ENTRY, r.node)
        return NOT_FOUND
    return do_join(a, r)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_keep(a: ArenaState, r: Request) -> u64:
    """Keep the live buffer at a node under a key."""
    if not is_used(a, r.node):
        return NOT_LIVE
    if a.sparse and a.base[A_NUMBER] == 0 and not a.known_directory:
        r.missing = MISSING_DIRECTORY
        return UNBACKED
    return keep(a, r.node, bytes_within(a, r.node, r.n_bytes), r.key, r.flag != 0)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_unkeep(a: ArenaState, r: Request) -> u64:
    """Keep a buffer no longer, if it is kept."""
    if not is_used(a, r.node):
        return NOT_LIVE
    if not holds(a, r.node, 0):
        return DONE
    index: u64 = find_node(a, r.node)
    if index == a.n_entries:
        return NOT_FOUND
    forget(a, index)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_resize(a: ArenaState, r: Request) -> u64:
    """Make a buffer n pages long, in place; NO_PAGES where the pages behind are not free.

    `flag` says that no view of its pages can be there: only then it may be made shorter. `slot` is 1
    where the caller makes a second object for the same pages.
    """
    if not is_used(a, r.node):
        return NOT_LIVE
    was: u64 = length(a, r.node)
    if r.n < was and (r.flag == 0 or not is_held_by_me_alone(a, r.node)):
        return SHARED
    touched: u64 = a.base[A_TOUCHED]
    if r.n > was and r.n <= a.total:
        touch(a, r.node + r.n if r.node + r.n < a.n_nodes else a.n_nodes)
    if r.n > a.total:
        return NO_PAGES
    if not resize(a, r.node, r.n) and not (empty_magazines(a) and resize(a, r.node, r.n)):
        store(a.base, A_TOUCHED, touched)
        r.missing = a.fault_node
        return stopped(a)
    if a.fault:
        store(a.base, A_TOUCHED, touched)
        r.missing = a.fault_node
        return stopped(a)
    if r.node < a.recorded and r.n != was:
        record_resize(a, r.node, r.n_bytes)
    if holds(a, r.node, 0):
        index: u64 = find_node(a, r.node)
        if index < a.n_entries:
            store(a.entries, entry_at(index) + ENTRY_BYTES, r.n_bytes)
    a.local[r.node - N_HEADS] += r.slot
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_measure(a: ArenaState, r: Request) -> u64:
    """Figures: free pages, the longest free run, buffers (n), kept ones (flag), tickets (n_bytes).

    The first rows are the counts of free blocks, order by order.
    """
    empty_magazines(a)
    settle(a)
    measure(a, 0, NO_PAGE)
    r.free = a.free_pages
    r.longest = a.longest_run
    r.n = r.flag = r.n_bytes = 0
    node: u64 = first_buffer(a)
    while node and a.fault == 0:
        r.n += 1
        r.flag += holds(a, node, 0)
        r.n_bytes += tickets_in(a.holds[holds_at(a, node)])
        node = next_buffer(a, node)
    r.n_rows = 0
    while r.n_rows <= a.top:
        r.rows[r.n_rows] = a.words[H_COUNTS + r.n_rows]
        r.n_rows += 1
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_list_buffers(a: ArenaState, r: Request) -> u64:
    """The buffers from a node on, as many as there is room for: node, pages, generation, holds."""
    width: u64 = 3 + a.words_of_holds
    room: u64 = r.n_rows
    r.n_rows = 0
    empty_magazines(a)
    # The buffer that starts here may be gone since the last call, and its pages be inside another.
    settle(a)
    node: u64 = next_live(a, N_HEADS if r.node < N_HEADS else r.node)
    while node and r.n_rows + width <= room and a.fault == 0:
        r.rows[r.n_rows] = node
        r.rows[r.n_rows + 1] = length(a, node)
        r.rows[r.n_rows + 2] = low(a.links[node])
        i: u64 = 0
        while i < a.words_of_holds:
            r.rows[r.n_rows + 3 + i] = a.holds[holds_at(a, node) + i]
            i += 1
        r.n_rows += width
        node = next_buffer(a, node)
    r.node = node
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_list_entries(a: ArenaState, r: Request) -> u64:
    """The directory from the entry `slot` on: node, generation, bytes, key; `slot` is then the next."""
    width: u64 = 3 + KEY_WORDS
    room: u64 = r.n_rows
    r.n_rows = 0
    if a.base[A_NUMBER] == 0:
        # Untouched pages stay so.
        r.slot = a.n_entries
    while r.slot < a.n_entries and r.n_rows + width <= room:
        at: u64 = entry_at(r.slot)
        if a.entries[at + ENTRY_STATE]:
            r.rows[r.n_rows] = a.entries[at + ENTRY_NODE]
            r.rows[r.n_rows + 1] = a.entries[at + ENTRY_GENERATION]
            r.rows[r.n_rows + 2] = a.entries[at + ENTRY_BYTES]
            i: u64 = 0
            while i < KEY_WORDS:
                r.rows[r.n_rows + 3 + i] = a.entries[at + ENTRY_KEY + i]
                i += 1
            r.n_rows += width
        r.slot += 1
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_record(a: ArenaState, r: Request) -> u64:
    """Record from now on, if `flag` says so, or nothing any more.

    What this process holds already is recorded as if it were new, a stretch at a time: what happens to
    buffers at nodes from `recorded` on is not recorded yet, as the stretches to come find what is left
    of it. `node` is 0 after the last stretch.
    """
    r.node = 0
    if r.flag == 0:
        a.recorded = 0
        return DONE
    if a.recorded == 0:
        # What is recorded goes through operations, each of which says so.
        empty_magazine(a, a.slot)
        a.recorded = N_HEADS
    settle(a)
    n: u64 = TAPE_BYTES // (2 * TAPE_LINE)
    node: u64 = next_live(a, a.recorded)
    while node and n and a.fault == 0:
        if a.holds[holds_at(a, node) + a.my_word] & a.my_bit:
            record_hold(a, node, length(a, node) << a.page_bits)
        node = next_buffer(a, node)
        n -= 1
    a.recorded = node if node else NO_PAGE
    r.node = node
    return DONE
