"""The operations on buffers, each between `enter` and `leave`: its caller has the lock."""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.aside import settle
    from pagebuddy.core.search import count_blocks, measure, next_run
    from pagebuddy.core.spans import commit, length, next_live, resize, take, take_aligned
    from pagebuddy.core.state import fail, node_at, place_of
    from pagebuddy.core.tree import claim
    from pagebuddy.core.words import (
        FIRST_NODE,
        MISSING,
        NO_PAGE,
        low,
        store,
        u64,
    )
    from pagebuddy.sharing.holding.directory import (
        entries_end,
        find_key,
        find_node,
        forget,
        keep,
    )
    from pagebuddy.sharing.holding.holds import (
        bytes_within,
        fits,
        hold_alone,
        holds,
        is_held_by_me_alone,
        is_page,
        is_the_buffer,
        settle_and_find_first,
    )
    from pagebuddy.sharing.holding.magazine import (
        empty_magazine,
        empty_magazines,
        join_hold,
        take_out_of_magazines,
    )
    from pagebuddy.sharing.holding.tickets import count_of_rings
    from pagebuddy.sharing.recording.recording import record_hold, record_resize
    from pagebuddy.sharing.recovery.takeover import next_buffer
    from pagebuddy.sharing.request import Request
    from pagebuddy.sharing.state import ArenaState, add_count, entry_at, holds_at, slot_at
    from pagebuddy.sharing.system.atomic import fence
    from pagebuddy.sharing.system.sleepers import wake_sleepers
    from pagebuddy.sharing.words import (
        A_FAILURES,
        A_KEEPS,
        A_TOUCHED,
        A_TRIMS,
        DONE,
        ENTRY_BYTES,
        ENTRY_GENERATION,
        ENTRY_KEPT,
        ENTRY_KEY,
        ENTRY_NODE,
        ENTRY_STATE,
        EVERYBODY,
        F_ENTRY,
        KEY_WORDS,
        MISSING_DIRECTORY,
        NO_PAGES,
        NOT_FOUND,
        NOT_LIVE,
        SHARED,
        SLOT_PIECE,
        SLOT_STATE,
        SLOT_WANTED,
        TAPE_BYTES,
        TAPE_LINE,
        UNBACKED,
        is_live_slot,
        pieces_in,
        tickets_in,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def raise_touched(a: ArenaState, end: u64) -> cython.void:
    """Note that pages below a node may hold any bytes; all others are still zero."""
    if end > a.base[A_TOUCHED]:
        store(a.base, A_TOUCHED, end)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def answer_without_pages(a: ArenaState) -> u64:
    """NO_PAGES; or UNBACKED if words were missing, which clears that fault but not `fault_node`."""
    if a.fault == MISSING:
        a.fault = 0
        return UNBACKED
    return NO_PAGES


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def make_buffer(a: ArenaState, n: u64, n_bytes: u64, align: u64) -> u64:
    """Make a buffer of n pages, at most the whole arena, and hold it; its node, or why not."""
    node: u64 = take(a, n) if align == 1 else take_aligned(a, n, align)
    if node == 0 or a.fault:
        return answer_without_pages(a)
    hold_alone(a, node)
    raise_touched(a, node + n)
    commit(a, node, n)
    if node < a.recorded:
        record_hold(a, node, n_bytes)
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def want_pieces(a: ArenaState) -> u64:
    """Tell all trims that an allocation failed; return how many pieces they hold."""
    count: u64 = 0
    slot: u64 = 1
    while slot < a.n_slots:
        state: u64 = a.slots[slot_at(slot) + SLOT_STATE]
        if is_live_slot(state) and pieces_in(state):
            count += pieces_in(state)
            store(a.slots, slot_at(slot) + SLOT_STATE, state | SLOT_WANTED)
        slot += 1
    return count


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_alloc(a: ArenaState, r: Request) -> u64:
    """Allocate `n_pages` pages: sets `node`, and `n_untouched` to how many of them nobody ever used."""
    touched: u64 = a.base[A_TOUCHED]
    node: u64 = make_buffer(a, r.n_pages, r.n_bytes, r.align)
    if node == NO_PAGES and empty_magazines(a):
        node = make_buffer(a, r.n_pages, r.n_bytes, r.align)
    if node < FIRST_NODE:
        r.missing = a.fault_node
        r.n_pieces = want_pieces(a) if node == NO_PAGES else 0
        return node
    r.node = node
    end: u64 = node + r.n_pages
    r.n_untouched = 0 if end <= touched else end - (touched if touched > node else node)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_take_free(a: ArenaState, r: Request) -> u64:
    """Make a buffer of the first free run at or after `node` that was ever used, at most `n_pages`.

    Sets `node` and `n_pages`. The caller returns the memory to the system and drops the buffer. Then it
    calls this with 0 pages: NO_PAGES, if an allocation failed meanwhile.
    """
    at: u64 = slot_at(a.slot) + SLOT_STATE
    state: u64 = a.slots[at]
    if r.n_pages == 0:
        if pieces_in(state):
            store(a.slots, at, (state & ~SLOT_WANTED) - SLOT_PIECE)
        return NO_PAGES if state & SLOT_WANTED else DONE
    if a.sticky:
        # The hold of a piece would not end with the trim, but with the sharing of the slot.
        return NO_PAGES
    empty_magazines(a)
    settle(a)
    end: u64 = a.base[A_TOUCHED]
    if r.node >= end or not is_page(a, r.node) or a.fault:
        return NO_PAGES
    next_run(a, place_of(a, r.node), r.n_pages)
    node: u64 = node_at(a, a.run_begin)
    if a.fault or a.run_begin >= a.end_place or node >= end:
        return NO_PAGES
    n: u64 = a.run_end - a.run_begin
    if n > r.n_pages:
        n = r.n_pages
    if n > end - node:
        n = end - node
    claim(a, a.run_begin, n)
    if a.fault:
        r.missing = a.fault_node
        return answer_without_pages(a)
    # First, so that a piece in the arena was always counted.
    store(a.slots, at, state + SLOT_PIECE)
    # Before another process can have the pages: on a change it forgets which pages are backed.
    store(a.base, A_TRIMS, a.base[A_TRIMS] + 1)
    hold_alone(a, node)
    commit(a, node, n)
    if node < a.recorded:
        record_hold(a, node, n << a.page_bits)
    r.node = node
    r.n_pages = n
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_join(a: ArenaState, r: Request) -> u64:
    """Add an object for the live buffer at `node`; sets `n_pages`, `n_bytes` and `generation`.

    Only for a kept buffer is the number of bytes known; others have those of all their pages.
    """
    if not take_out_of_magazines(a, r.node):
        return NOT_LIVE
    r.n_pages = length(a, r.node)
    r.generation = low(a.records[r.node])
    if r.n_bytes == 0 and holds(a, r.node, 0):
        index: u64 = find_node(a, r.node)
        if index:
            r.n_bytes = a.entries[entry_at(index) + ENTRY_BYTES]
    r.n_bytes = bytes_within(a, r.node, r.n_bytes)
    join_hold(a, r.node, r.n_bytes)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_find(a: ArenaState, r: Request) -> u64:
    """`do_join` for the buffer that is kept under `key`; sets `node` as well."""
    index: u64 = find_key(a, r.key)
    if index == 0:
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
def do_look_up(a: ArenaState, r: Request) -> u64:
    """Whether a buffer is kept under `key`: DONE, else NO_PAGES. Changes nothing."""
    return DONE if find_key(a, r.key) else NO_PAGES


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_keep(a: ArenaState, r: Request) -> u64:
    """Keep the live buffer at `node` under `key`; with `replace` the key may be another buffer's.

    `now_ms` is the time since 1970.
    """
    if not take_out_of_magazines(a, r.node):
        return NOT_LIVE
    r.missing = MISSING_DIRECTORY
    n_bytes: u64 = bytes_within(a, r.node, r.n_bytes)
    answer: u64 = keep(a, r.node, n_bytes, r.key, r.now_ms, r.replace)
    if answer == DONE:
        fence()
        wake_sleepers(a.base, A_KEEPS, EVERYBODY)
    return answer


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_unkeep(a: ArenaState, r: Request) -> u64:
    """Stop keeping the buffer at `node`, if it is kept."""
    if not take_out_of_magazines(a, r.node):
        return NOT_LIVE
    if not holds(a, r.node, 0):
        return DONE
    index: u64 = find_node(a, r.node)
    if index == 0:
        return NOT_FOUND
    forget(a, index)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_forget(a: ArenaState, r: Request) -> u64:
    """Stop keeping what is kept under `key`; NO_PAGES if nothing is.

    If `node` is not 0, only if that is the buffer: the caller holds it, so it is still the same.
    """
    index: u64 = find_key(a, r.key)
    if index == 0:
        return NO_PAGES
    if r.node and a.entries[entry_at(index) + ENTRY_NODE] != r.node:
        return NO_PAGES
    forget(a, index)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def resize_buffer(
    a: ArenaState, node: u64, n_pages: u64, n_bytes: u64, is_unseen: cython.bint
) -> u64:
    """Make a live buffer `n_pages` long, in place; NO_PAGES if the pages behind are not free.

    Only if `is_unseen` may it become shorter.
    """
    if not take_out_of_magazines(a, node):
        return NOT_LIVE
    was: u64 = length(a, node)
    if n_pages < was and (not is_unseen or not is_held_by_me_alone(a, node)):
        return SHARED
    touched: u64 = a.base[A_TOUCHED]
    if n_pages > was and n_pages <= a.total:
        raise_touched(a, node + n_pages if node + n_pages < a.n_nodes else a.n_nodes)
    if n_pages > a.total:
        return NO_PAGES
    if not resize(a, node, n_pages) and not (empty_magazines(a) and resize(a, node, n_pages)):
        store(a.base, A_TOUCHED, touched)
        return answer_without_pages(a)
    if a.fault:
        store(a.base, A_TOUCHED, touched)
        return answer_without_pages(a)
    if node < a.recorded and n_pages != was:
        record_resize(a, node, n_bytes)
    if holds(a, node, 0):
        index: u64 = find_node(a, node)
        if index:
            store(a.entries, entry_at(index) + ENTRY_BYTES, n_bytes)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_resize(a: ArenaState, r: Request) -> u64:
    """`resize_buffer` for the buffer at `node`; adds `n_more_objects` objects for it."""
    answer: u64 = resize_buffer(a, r.node, r.n_pages, r.n_bytes, r.is_unseen)
    if answer == DONE:
        a.local[r.node - FIRST_NODE] += r.n_more_objects
    r.missing = a.fault_node
    r.n_pieces = want_pieces(a) if answer == NO_PAGES and r.n_pages <= a.total else 0
    return answer


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_measure(a: ArenaState, r: Request) -> u64:
    """Count everything: free pages, the longest free run, buffers, kept buffers, unclaimed tickets.

    The rows are the numbers of free blocks, by order. Adds `n_failed` to the allocations that failed.
    """
    if r.n_failed:
        add_count(a, A_FAILURES, r.n_failed)
    empty_magazines(a)
    settle(a)
    measure(a, 0, NO_PAGE)
    r.free_pages = a.free_pages
    r.longest_run = a.longest_run
    r.n_buffers = r.n_kept = r.n_tickets = 0
    node: u64 = settle_and_find_first(a)
    while node and a.fault == 0:
        r.n_buffers += 1
        r.n_kept += holds(a, node, 0)
        r.n_tickets += tickets_in(a.holds[holds_at(a, node)])
        node = next_buffer(a, node)
    # Those of rings wait for nobody to claim them.
    r.n_tickets -= count_of_rings(a)
    r.n_rows = 0
    while r.n_rows <= a.top:
        r.rows[r.n_rows] = count_blocks(a, r.n_rows)
        r.n_rows += 1
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_list_buffers(a: ArenaState, r: Request) -> u64:
    """List buffers from `node` on: node, pages, generation, holds. `node` is then the next, or 0."""
    width: u64 = 3 + a.words_of_holds
    room: u64 = r.n_rows
    r.n_rows = 0
    empty_magazines(a)
    # Since the last call the buffer here may have ended, and its pages may be inside another.
    settle(a)
    node: u64 = next_live(a, FIRST_NODE if r.node < FIRST_NODE else r.node)
    while node and r.n_rows + width <= room and a.fault == 0:
        r.rows[r.n_rows] = node
        r.rows[r.n_rows + 1] = length(a, node)
        r.rows[r.n_rows + 2] = low(a.records[node])
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
    """List the directory from `entry` on: node, generation, bytes, time, key. `entry` is then the next.

    After the last one it is 0.
    """
    width: u64 = 4 + KEY_WORDS
    end: u64 = entries_end(a)
    room: u64 = r.n_rows
    r.n_rows = 0
    while r.entry < end and r.n_rows + width <= room:
        at: u64 = entry_at(r.entry)
        if a.entries[at + ENTRY_STATE]:
            r.rows[r.n_rows] = a.entries[at + ENTRY_NODE]
            r.rows[r.n_rows + 1] = a.entries[at + ENTRY_GENERATION]
            r.rows[r.n_rows + 2] = a.entries[at + ENTRY_BYTES]
            r.rows[r.n_rows + 3] = a.entries[at + ENTRY_KEPT]
            i: u64 = 0
            while i < KEY_WORDS:
                r.rows[r.n_rows + 4 + i] = a.entries[at + ENTRY_KEY + i]
                i += 1
            r.n_rows += width
        r.entry += 1
    if r.entry >= end:
        r.entry = 0
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_record(a: ArenaState, r: Request) -> u64:
    """Start recording if `is_recorded`, else stop; the caller repeats a start until `node` is 0.

    Buffers that this process holds already are recorded as allocations, some in each call. Until then,
    nothing is recorded of buffers at nodes from `recorded` on: a later call finds those that are left.
    """
    r.node = 0
    if not r.is_recorded:
        a.recorded = 0
        return DONE
    if a.recorded == 0:
        # Only operations are recorded, not drawing from the magazine.
        empty_magazine(a, a.slot)
        a.recorded = FIRST_NODE
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
