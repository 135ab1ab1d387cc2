"""The directory of kept buffers: open addressing by key, each entry committed by its state.

An entry whose state is 0 is free; one whose node is 0 as well ends a search: no key was ever put behind
it that came past it. Entries that are free again become such as soon as none behind them needs them, so
that much keeping and forgetting does not make a search for what is not there go through all. Nobody
keeps a key's hash: it is computed from the key's words each time.
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
    """Where the search for a key starts: FNV-1a over its words, the high half folded in."""
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
    """The entry after this one; after the last comes the first."""
    return index + 1 if index + 1 < a.n_entries else 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def place_before(a: ArenaState, index: u64) -> u64:
    """The entry before this one; before the first comes the last."""
    return index - 1 if index else a.n_entries - 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def has_key(a: ArenaState, index: u64, key: cython.p_ulonglong) -> cython.bint:
    """Whether an entry is in use for a key."""
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
    """The entry of a key; `n_entries` where there is none."""
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
    """The entry of a kept buffer; `n_entries` where there is none. Cost: the whole directory."""
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
def free_entry(a: ArenaState, key: cython.p_ulonglong) -> u64:
    """An entry where a key can be put; `n_entries` where there is none.

    What has no key is not searched for, and lies where the next number points, not all at one place.
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
    """Whether an entry is free, and searches go past it all the same."""
    at: u64 = entry_at(index)
    return a.entries[at + ENTRY_STATE] == 0 and a.entries[at + ENTRY_NODE] != 0


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def end_searches(a: ArenaState, index: u64) -> cython.void:
    """Let searches end at an entry that is free again, if those that go on would find nothing.

    The entries from it on, and then those before it, are free again, up to one that ends a search.
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
def free_entry_at(a: ArenaState, index: u64) -> cython.void:
    """Free an entry."""
    store(a.entries, entry_at(index) + ENTRY_STATE, 0)
    end_searches(a, index)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def is_found(a: ArenaState, index: u64) -> cython.bint:
    """Whether the search for an entry's key, if it has one, comes to it, and not to another first."""
    at: u64 = entry_at(index)
    return (
        a.entries[at + ENTRY_KEY] == 0
        or find_key(a, words_from_at(a.entries, at + ENTRY_KEY)) == index
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def forget(a: ArenaState, index: u64) -> cython.void:
    """Free an entry; its buffer is kept no longer."""
    node: u64 = a.entries[entry_at(index) + ENTRY_NODE]
    free_entry_at(a, index)
    if is_buffer(a, node):
        remove_hold(a, node, 0)
        free_if_unused(a, node)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def keep(
    a: ArenaState, node: u64, n_bytes: u64, key: cython.p_ulonglong, replace: cython.bint
) -> u64:
    """Enter a live buffer under a key, perhaps an empty one; DONE, TAKEN or FULL.

    One that is kept already gets the new key, if it is one, in place of the old one, and this length.
    """
    former: u64 = find_node(a, node) if holds(a, node, 0) else a.n_entries
    if former < a.n_entries and (key[0] == 0 or has_key(a, former, key)):
        store(a.entries, entry_at(former) + ENTRY_BYTES, n_bytes)
        return DONE
    old: u64 = find_key(a, key) if key[0] else a.n_entries
    if old < a.n_entries and not replace:
        return TAKEN
    index: u64 = free_entry(a, key)
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
        free_entry_at(a, former)
    if old < a.n_entries:
        forget(a, old)
    return DONE
