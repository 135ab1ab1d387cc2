"""Repairing the directory of kept buffers, after a process died at work or the machine lost power.

A killed process leaves at most one pair of entries with one key or one buffer; a power cut can leave
anything. All lists are built again. Repairing a full directory must not take long, so an entry is only
compared with those in its buckets.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.spans import length
    from pagebuddy.core.words import store, u64
    from pagebuddy.sharing.holding.directory import (
        entries_end,
        find_key,
        find_node,
        hash_of_entry,
        list_as_free,
        list_entry,
        unlist_entry,
    )
    from pagebuddy.sharing.holding.holds import add_hold, fits, is_the_buffer
    from pagebuddy.sharing.state import ArenaState, entry_at
    from pagebuddy.sharing.words import (
        ENTRY_BY_KEY,
        ENTRY_BY_NODE,
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
def empty_lists(a: ArenaState) -> cython.void:
    """Empty all lists, and free the entries whose buffers are not live."""
    end: u64 = entries_end(a)
    if end:
        store(a.entries, entry_at(0) + ENTRY_STATE, 0)
    i: u64 = 0
    while i < end:
        at: u64 = entry_at(i)
        store(a.entries, at + ENTRY_BY_KEY, 0)
        store(a.entries, at + ENTRY_BY_NODE, 0)
        if a.entries[at + ENTRY_STATE] and not is_the_buffer(
            a, a.entries[at + ENTRY_NODE], a.entries[at + ENTRY_GENERATION]
        ):
            store(a.entries, at + ENTRY_STATE, 0)
        i += 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def list_newer(a: ArenaState, index: u64, other: u64, by: u64) -> cython.void:
    """Add an entry to its bucket. Of it and another that is there, if not 0, free the older."""
    if other:
        older: u64 = other
        if a.entries[entry_at(index) + ENTRY_STATE] < a.entries[entry_at(other) + ENTRY_STATE]:
            older = index
        at: u64 = entry_at(older)
        store(a.entries, at + ENTRY_STATE, 0)
        # Those by key are built first.
        if a.entries[at + ENTRY_KEY] and (older == other or by == ENTRY_BY_NODE):
            unlist_entry(a, older, ENTRY_BY_KEY)
        if older == index:
            return
        if by == ENTRY_BY_NODE:
            unlist_entry(a, older, ENTRY_BY_NODE)
    list_entry(a, index, by, hash_of_entry(a, index, by))


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def keep_its_buffer(a: ArenaState, index: u64) -> cython.void:
    """Store the kept bit of an entry's buffer, and repair the entry's length."""
    at: u64 = entry_at(index)
    node: u64 = a.entries[at + ENTRY_NODE]
    add_hold(a, node, 0)
    if not fits(a, node, a.entries[at + ENTRY_BYTES]):
        store(a.entries, at + ENTRY_BYTES, length(a, node) << a.page_bits)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def mend_directory(a: ArenaState) -> cython.void:
    """Repair the directory, and store the kept bits of its buffers, which are all off before."""
    end: u64 = entries_end(a)
    empty_lists(a)
    i: u64 = 1
    while i < end:
        at: u64 = entry_at(i)
        # An entry without a key is never searched for by key.
        if a.entries[at + ENTRY_STATE] and a.entries[at + ENTRY_KEY]:
            other: u64 = find_key(a, words_from_at(a.entries, at + ENTRY_KEY))
            list_newer(a, i, other, ENTRY_BY_KEY)
        i += 1
    i = 1
    while i < end:
        at = entry_at(i)
        if a.entries[at + ENTRY_STATE]:
            list_newer(a, i, find_node(a, a.entries[at + ENTRY_NODE]), ENTRY_BY_NODE)
        i += 1
    # Backwards, so that the first one is the first to be taken.
    while i > 1:
        i -= 1
        if a.entries[entry_at(i) + ENTRY_STATE]:
            keep_its_buffer(a, i)
        else:
            list_as_free(a, i)
