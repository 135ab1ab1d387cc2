"""Mending the directory of kept buffers, after somebody died at work or the machine lost its power.

A killed process leaves two entries of one key, or of one buffer, once at most; a power cut leaves
anything. Neither may take long where the directory is full: no entry is compared with all others.
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
    """Of two entries in use, the one that was made first."""
    if a.entries[entry_at(one) + ENTRY_STATE] < a.entries[entry_at(other) + ENTRY_STATE]:
        return one
    return other


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def drop_stale(a: ArenaState) -> cython.void:
    """Free the entries whose buffers are gone."""
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
    """Let the search for an entry's key come to it: none ends before, and no older one is found.

    Of two with one key the later in the order of the search comes past the other, whichever is older.
    """
    key: cython.p_ulonglong = words_from_at(a.entries, entry_at(index) + ENTRY_KEY)
    other: u64 = first_place(a, key)
    while other != index:
        if a.entries[entry_at(other) + ENTRY_NODE] == 0:
            # The head of a list: no buffer's.
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
    """Let the arena hold an entry's buffer. Of several entries for one, free all but the newest."""
    node: u64 = a.entries[entry_at(index) + ENTRY_NODE]
    if holds(a, node, 0):
        # An earlier one has given it its bit.
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
    """Let searches end at every entry that is free again and that none behind it needs."""
    ends: cython.bint = True
    i: u64 = 0
    while i < a.n_entries:
        ends = ends and a.entries[entry_at(i) + ENTRY_STATE] == 0
        i += 1
    # Backwards, as each depends on the one behind it; twice, as the first depends on the last.
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
    """Make the kept bits of buffers, which are all off, from the directory, and mend that."""
    if a.base[A_NUMBER] == 0:
        return
    drop_stale(a)
    i: u64 = 0
    while i < a.n_entries:
        at: u64 = entry_at(i)
        # What has no key is not searched for.
        if a.entries[at + ENTRY_STATE] and a.entries[at + ENTRY_KEY]:
            lead_to(a, i)
        i += 1
    i = 0
    while i < a.n_entries:
        if a.entries[entry_at(i) + ENTRY_STATE]:
            keep_once(a, i)
        i += 1
    end_all_searches(a)
