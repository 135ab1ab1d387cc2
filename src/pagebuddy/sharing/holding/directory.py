"""The directory of kept buffers: a hash table with linear probing, each entry committed by its state.

An entry is free if its state is 0. A free entry whose node is 0 also ends a search; one that was used
before does not, because an entry behind it may have been stored when it was in use. Such an entry gets
the node 0 as soon as no entry behind it needs it, so that searches for absent keys stay short however
often keys were added and removed. Hashes are not stored: they are computed from the key each time.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.words import low, store, u64
    from pagebuddy.sharing.holding.holds import (
        add_hold,
        free_if_unused,
        holds,
        is_buffer,
        remove_hold,
    )
    from pagebuddy.sharing.state import ArenaState, entry_at
    from pagebuddy.sharing.words import (
        A_NUMBER,
        DONE,
        ENTRY_BYTES,
        ENTRY_GENERATION,
        ENTRY_KEY,
        ENTRY_NODE,
        ENTRY_STATE,
        FULL,
        KEY_WORDS,
        TAKEN,
        words_from_at,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def first_place(a: ArenaState, key: cython.p_ulonglong) -> u64:
    """The entry where the search for a key starts: FNV-1a over the key's words, folded."""
    number: u64 = 0xCBF2_9CE4
    i: u64 = 0
    while i < KEY_WORDS:
        number = low((number ^ low(key[i])) * 0x0100_0193)
        number = low((number ^ key[i] >> 32) * 0x0100_0193)
        i += 1
    return (number ^ number >> 15) % a.n_entries


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def next_place(a: ArenaState, index: u64) -> u64:
    """The next entry; after the last comes the first."""
    return index + 1 if index + 1 < a.n_entries else 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def place_before(a: ArenaState, index: u64) -> u64:
    """The previous entry; before the first comes the last."""
    return index - 1 if index else a.n_entries - 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def has_key(a: ArenaState, index: u64, key: cython.p_ulonglong) -> cython.bint:
    """Whether an entry is in use and has this key."""
    at: u64 = entry_at(index)
    if index == a.n_entries or a.entries[at + ENTRY_STATE] == 0:
        return False
    i: u64 = 0
    while i < KEY_WORDS:
        if a.entries[at + ENTRY_KEY + i] != key[i]:
            return False
        i += 1
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def find_key(a: ArenaState, key: cython.p_ulonglong) -> u64:
    """The entry of a key; `n_entries` if there is none."""
    if a.base[A_NUMBER] == 0:
        return a.n_entries
    index: u64 = first_place(a, key)
    tried: u64 = 0
    while tried < a.n_entries and a.entries[entry_at(index) + ENTRY_NODE]:
        if has_key(a, index, key):
            return index
        index = next_place(a, index)
        tried += 1
    return a.n_entries


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def find_node(a: ArenaState, node: u64) -> u64:
    """The entry of a kept buffer; `n_entries` if there is none. Reads the whole directory."""
    index: u64 = 0
    while index < a.n_entries:
        at: u64 = entry_at(index)
        if a.entries[at + ENTRY_STATE] and a.entries[at + ENTRY_NODE] == node:
            return index
        index += 1
    return a.n_entries


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def find_free_entry(a: ArenaState, key: cython.p_ulonglong) -> u64:
    """A free entry for a key; `n_entries` if there is none.

    Entries without a key are never searched for. The next number spreads them over the directory.
    """
    index: u64 = first_place(a, key) if key[0] else a.base[A_NUMBER] % a.n_entries
    tried: u64 = 0
    while tried < a.n_entries:
        if a.entries[entry_at(index) + ENTRY_STATE] == 0:
            return index
        index = next_place(a, index)
        tried += 1
    return a.n_entries


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_free_again(a: ArenaState, index: u64) -> cython.bint:
    """Whether an entry is free, but does not end a search."""
    at: u64 = entry_at(index)
    return a.entries[at + ENTRY_STATE] == 0 and a.entries[at + ENTRY_NODE] != 0


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def end_searches(a: ArenaState, index: u64) -> cython.void:
    """Let searches end at an entry that was freed, and at free ones before it, if no entry needs them.

    That is so if, after any further freed entries, an entry follows that ends a search.
    """
    tried: u64 = 0
    while tried < a.n_entries and is_free_again(a, index):
        index = next_place(a, index)
        tried += 1
    if tried < a.n_entries and a.entries[entry_at(index) + ENTRY_STATE]:
        return
    index = place_before(a, index)
    while is_free_again(a, index):
        store(a.entries, entry_at(index) + ENTRY_NODE, 0)
        index = place_before(a, index)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def free_entry(a: ArenaState, index: u64) -> cython.void:
    """Free an entry, and let searches end there if possible."""
    store(a.entries, entry_at(index) + ENTRY_STATE, 0)
    end_searches(a, index)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def is_found(a: ArenaState, index: u64) -> cython.bint:
    """Whether the search for an entry's key finds this entry; also true of an entry without a key."""
    at: u64 = entry_at(index)
    return (
        a.entries[at + ENTRY_KEY] == 0
        or find_key(a, words_from_at(a.entries, at + ENTRY_KEY)) == index
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def forget(a: ArenaState, index: u64) -> cython.void:
    """Free an entry, and stop keeping its buffer."""
    node: u64 = a.entries[entry_at(index) + ENTRY_NODE]
    free_entry(a, index)
    if is_buffer(a, node):
        remove_hold(a, node, 0)
        free_if_unused(a, node)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def keep(
    a: ArenaState, node: u64, n_bytes: u64, key: cython.p_ulonglong, replace: cython.bint
) -> u64:
    """Keep a live buffer under a key, which may be empty; DONE, TAKEN or FULL.

    A buffer that is kept already gets the length `n_bytes`, and the new key unless that is empty.
    """
    former: u64 = find_node(a, node) if holds(a, node, 0) else a.n_entries
    if former < a.n_entries and (key[0] == 0 or has_key(a, former, key)):
        store(a.entries, entry_at(former) + ENTRY_BYTES, n_bytes)
        return DONE
    old: u64 = find_key(a, key) if key[0] else a.n_entries
    if old < a.n_entries and not replace:
        return TAKEN
    index: u64 = find_free_entry(a, key)
    if index == a.n_entries:
        return FULL
    at: u64 = entry_at(index)
    number: u64 = a.base[A_NUMBER] + 1
    store(a.base, A_NUMBER, number)
    i: u64 = 0
    while i < KEY_WORDS:
        store(a.entries, at + ENTRY_KEY + i, key[i])
        i += 1
    store(a.entries, at + ENTRY_GENERATION, low(a.links[node]))
    store(a.entries, at + ENTRY_BYTES, n_bytes)
    store(a.entries, at + ENTRY_NODE, node)
    add_hold(a, node, 0)
    store(a.entries, at + ENTRY_STATE, 1 + number)
    if former < a.n_entries:
        free_entry(a, former)
    if old < a.n_entries:
        forget(a, old)
    return DONE
