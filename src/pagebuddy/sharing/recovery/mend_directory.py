"""Repairing the directory of kept buffers, after a process died at work or the machine lost power.

A killed process leaves at most one pair of entries with one key or one buffer; a power cut can leave
anything. Repairing a full directory must not take long, so no entry is compared with all others.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.spans import length
    from pagebuddy.core.words import store, u64
    from pagebuddy.sharing.holding.directory import (
        find_node,
        first_place,
        has_key,
        is_free_again,
        next_place,
        place_before,
    )
    from pagebuddy.sharing.holding.holds import add_hold, fits, holds, is_the_buffer
    from pagebuddy.sharing.state import ArenaState, entry_at
    from pagebuddy.sharing.words import (
        A_NUMBER,
        ENTRY_BYTES,
        ENTRY_GENERATION,
        ENTRY_KEY,
        ENTRY_NODE,
        ENTRY_STATE,
        words_from_at,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def older_of(a: ArenaState, one: u64, other: u64) -> u64:
    """The older of two entries in use."""
    if a.entries[entry_at(one) + ENTRY_STATE] < a.entries[entry_at(other) + ENTRY_STATE]:
        return one
    return other


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def drop_stale(a: ArenaState) -> cython.void:
    """Free the entries whose buffers are not live."""
    i: u64 = 0
    while i < a.n_entries:
        at: u64 = entry_at(i)
        if a.entries[at + ENTRY_STATE] and not is_the_buffer(
            a, a.entries[at + ENTRY_NODE], a.entries[at + ENTRY_GENERATION]
        ):
            store(a.entries, at + ENTRY_STATE, 0)
        i += 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def lead_to(a: ArenaState, index: u64) -> cython.void:
    """Make the search for an entry's key find it: no free entry before it ends the search.

    An entry with the same key on the way is a duplicate: the older of the two is freed.
    """
    key: cython.p_ulonglong = words_from_at(a.entries, entry_at(index) + ENTRY_KEY)
    other: u64 = first_place(a, key)
    while other != index:
        if a.entries[entry_at(other) + ENTRY_NODE] == 0:
            # Not 0, so the search goes on; and not a page's node, but that of a list.
            store(a.entries, entry_at(other) + ENTRY_NODE, 1)
        elif has_key(a, other, key):
            older: u64 = older_of(a, other, index)
            store(a.entries, entry_at(older) + ENTRY_STATE, 0)
            if older == index:
                return
        other = next_place(a, other)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def keep_once(a: ArenaState, index: u64) -> cython.void:
    """Store the kept bit of an entry's buffer. Of several entries for one buffer, free the older."""
    node: u64 = a.entries[entry_at(index) + ENTRY_NODE]
    if holds(a, node, 0):
        # An earlier entry stored it.
        older: u64 = older_of(a, find_node(a, node), index)
        store(a.entries, entry_at(older) + ENTRY_STATE, 0)
        if older == index:
            return
    add_hold(a, node, 0)
    if not fits(a, node, a.entries[entry_at(index) + ENTRY_BYTES]):
        store(a.entries, entry_at(index) + ENTRY_BYTES, length(a, node) << a.page_bits)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def end_all_searches(a: ArenaState) -> cython.void:
    """Let searches end at every free entry that no entry behind it needs."""
    ends: cython.bint = True
    i: u64 = 0
    while i < a.n_entries:
        ends = ends and a.entries[entry_at(i) + ENTRY_STATE] == 0
        i += 1
    # Backwards, because each depends on the next; twice, because the last depends on the first.
    left: u64 = 2 * a.n_entries
    i = 0
    while left:
        i = place_before(a, i)
        if is_free_again(a, i):
            if ends:
                store(a.entries, entry_at(i) + ENTRY_NODE, 0)
        else:
            ends = a.entries[entry_at(i) + ENTRY_STATE] == 0
        left -= 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def mend_directory(a: ArenaState) -> cython.void:
    """Repair the directory, and store the kept bits of its buffers, which are all off before."""
    if a.base[A_NUMBER] == 0:
        return
    drop_stale(a)
    i: u64 = 0
    while i < a.n_entries:
        at: u64 = entry_at(i)
        # An entry without a key is never searched for.
        if a.entries[at + ENTRY_STATE] and a.entries[at + ENTRY_KEY]:
            lead_to(a, i)
        i += 1
    i = 0
    while i < a.n_entries:
        if a.entries[entry_at(i) + ENTRY_STATE]:
            keep_once(a, i)
        i += 1
    end_all_searches(a)
