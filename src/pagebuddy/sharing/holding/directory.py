"""The directory of kept buffers: two hash tables of the same entries, by key and by node.

An entry is free if its state is 0. All else that says which entries are in use is derived: the lists of
the buckets, and the list of free entries. A bucket's first entry is in a word of the entry with the
bucket's index, so there are as many buckets as entries below `A_ENTRIES_END`. When one more entry is
used, one more bucket takes its entries from another: linear hashing. So entries are used from the first
on, and the others need no memory. Hashes are not stored: they are computed each time.

Index 0 means no entry.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.arith import log2
    from pagebuddy.core.state import fail
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
        A_ENTRIES_END,
        A_NUMBER,
        DONE,
        ENTRY_BY_KEY,
        ENTRY_BY_NODE,
        ENTRY_BYTES,
        ENTRY_GENERATION,
        ENTRY_KEPT,
        ENTRY_KEY,
        ENTRY_NODE,
        ENTRY_STATE,
        F_DIRECTORY,
        FULL,
        KEY_WORDS,
        TAKEN,
        UNBACKED,
        words_from_at,
    )

# `by` is ENTRY_BY_KEY or ENTRY_BY_NODE: the word of the lists.


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def entries_end(a: ArenaState) -> u64:
    """The index after the last entry that was ever used, and the number of buckets."""
    end: u64 = a.base[A_ENTRIES_END]
    return end if end < a.n_places else a.n_places


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def mixed(number: u64) -> u64:
    """A number of 32 bits, each of which depends on each bit of the given one."""
    # A literal of more than 31 bits would be a Python object.
    factor: u64 = 0x846C_A68B
    number = low((number ^ number >> 16) * 0x7FEB_352D)
    number = low((number ^ number >> 15) * factor)
    return number ^ number >> 16


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def hash_of_key(key: cython.p_ulonglong) -> u64:
    """The hash of a key: FNV-1a over the halves of its words up to one of zeros, mixed.

    The namespace, the last byte, is always part of it.
    """
    number: u64 = 0xCBF2_9CE4
    number ^= key[KEY_WORDS - 1] >> 56
    i: u64 = 0
    while i < KEY_WORDS and key[i]:
        number = low((number ^ low(key[i])) * 0x0100_0193)
        number = low((number ^ key[i] >> 32) * 0x0100_0193)
        i += 1
    return mixed(number)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def hash_of_entry(a: ArenaState, index: u64, by: u64) -> u64:
    """The hash that an entry's contents have."""
    at: u64 = entry_at(index)
    if by == ENTRY_BY_KEY:
        return hash_of_key(words_from_at(a.entries, at + ENTRY_KEY))
    return mixed(low(a.entries[at + ENTRY_NODE]))


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def bucket_of(a: ArenaState, number: u64) -> u64:
    """The bucket of a hash. There is at least one."""
    end: u64 = entries_end(a)
    # The powers of two around the number of buckets.
    most: u64 = 1
    if end > 1:
        most = most << log2(end - 1)
    bucket: u64 = number & (2 * most - 1)
    return bucket if bucket < end else bucket & (most - 1)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def checked_link(a: ArenaState, index: u64) -> u64:
    """An index that was read, if there can be an entry; else 0, and a fault."""
    if index >= entries_end(a):
        if index:
            fail(a, F_DIRECTORY, 0)
        return 0
    return index


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def first_in(a: ArenaState, bucket: u64, by: u64) -> u64:
    """The first entry of a bucket."""
    return checked_link(a, a.entries[entry_at(bucket) + by] >> 32)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def next_in(a: ArenaState, index: u64, by: u64) -> u64:
    """The entry after another in a list."""
    return checked_link(a, low(a.entries[entry_at(index) + by]))


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def set_first(a: ArenaState, bucket: u64, by: u64, index: u64) -> cython.void:
    """Let a bucket begin with an entry."""
    at: u64 = entry_at(bucket) + by
    store(a.entries, at, index << 32 | low(a.entries[at]))


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def set_next(a: ArenaState, index: u64, by: u64, after: u64) -> cython.void:
    """Let an entry follow another in a list."""
    at: u64 = entry_at(index) + by
    store(a.entries, at, a.entries[at] >> 32 << 32 | after)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def list_entry(a: ArenaState, index: u64, by: u64, number: u64) -> cython.void:
    """Add an entry to its bucket, given its hash."""
    bucket: u64 = bucket_of(a, number)
    set_next(a, index, by, first_in(a, bucket, by))
    set_first(a, bucket, by, index)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def unlist_entry(a: ArenaState, index: u64, by: u64) -> cython.void:
    """Take an entry out of its bucket."""
    bucket: u64 = bucket_of(a, hash_of_entry(a, index, by))
    before: u64 = first_in(a, bucket, by)
    if before == index:
        set_first(a, bucket, by, next_in(a, index, by))
        return
    left: u64 = entries_end(a)
    while before and left:
        after: u64 = next_in(a, before, by)
        if after == index:
            set_next(a, before, by, next_in(a, index, by))
            return
        before = after
        left -= 1
    fail(a, F_DIRECTORY, 0)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def divide_bucket(a: ArenaState, bucket: u64, by: u64) -> cython.void:
    """Move the entries of a new bucket, the last one, into it."""
    one: u64 = 1
    # They are in this one until now, with its own.
    other: u64 = bucket - (one << log2(bucket))
    index: u64 = first_in(a, other, by)
    set_first(a, other, by, 0)
    left: u64 = entries_end(a)
    while index and left:
        after: u64 = next_in(a, index, by)
        list_entry(a, index, by, hash_of_entry(a, index, by))
        index = after
        left -= 1
    if index:
        fail(a, F_DIRECTORY, 0)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def has_key(a: ArenaState, index: u64, key: cython.p_ulonglong) -> cython.bint:
    """Whether an entry is in use and has this key."""
    at: u64 = entry_at(index)
    if a.entries[at + ENTRY_STATE] == 0:
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
def find_hashed(a: ArenaState, key: cython.p_ulonglong, number: u64) -> u64:
    """The entry of a key, given its hash; 0 if there is none."""
    left: u64 = entries_end(a)
    if left == 0:
        return 0
    index: u64 = first_in(a, bucket_of(a, number), ENTRY_BY_KEY)
    while index and left:
        if has_key(a, index, key):
            return index
        index = next_in(a, index, ENTRY_BY_KEY)
        left -= 1
    if index:
        fail(a, F_DIRECTORY, 0)
    return 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def find_key(a: ArenaState, key: cython.p_ulonglong) -> u64:
    """The entry of a key; 0 if there is none."""
    return find_hashed(a, key, hash_of_key(key))


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def find_node(a: ArenaState, node: u64) -> u64:
    """The entry of a kept buffer; 0 if there is none."""
    left: u64 = entries_end(a)
    if left == 0:
        return 0
    index: u64 = first_in(a, bucket_of(a, mixed(low(node))), ENTRY_BY_NODE)
    while index and left:
        at: u64 = entry_at(index)
        if a.entries[at + ENTRY_STATE] and a.entries[at + ENTRY_NODE] == node:
            return index
        index = next_in(a, index, ENTRY_BY_NODE)
        left -= 1
    if index:
        fail(a, F_DIRECTORY, 0)
    return 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def first_free_entry(a: ArenaState) -> u64:
    """The first entry in the list of free ones; 0 if it is empty."""
    return next_in(a, 0, ENTRY_BY_KEY) if entries_end(a) else 0


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def has_room(a: ArenaState, wanted: u64) -> cython.bint:
    """Whether there are one or two entries that are free or were never used."""
    end: u64 = entries_end(a)
    # Entry 0 is never free.
    there: u64 = a.n_places - (end if end else 1)
    index: u64 = first_free_entry(a)
    while index and there < wanted:
        there += 1
        index = next_in(a, index, ENTRY_BY_KEY)
    return there >= wanted


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def add_entry(a: ArenaState) -> u64:
    """Begin to use an entry that was never used, and its buckets; its index."""
    index: u64 = entries_end(a)
    if index == 0:
        # With the first one comes entry 0.
        index = 1
    at: u64 = entry_at(index)
    # It is 0 unless the end was damaged.
    if a.entries[at + ENTRY_STATE]:
        store(a.entries, at + ENTRY_STATE, 0)
    store(a.entries, at + ENTRY_BY_KEY, 0)
    store(a.entries, at + ENTRY_BY_NODE, 0)
    store(a.base, A_ENTRIES_END, index + 1)
    divide_bucket(a, index, ENTRY_BY_KEY)
    divide_bucket(a, index, ENTRY_BY_NODE)
    return index


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_entry(a: ArenaState) -> u64:
    """Take an entry that is free; 0, and a fault, if the list of free ones is damaged."""
    index: u64 = first_free_entry(a)
    if a.fault:
        return 0
    if index == 0:
        return add_entry(a)
    if a.entries[entry_at(index) + ENTRY_STATE]:
        fail(a, F_DIRECTORY, 0)
        return 0
    set_next(a, 0, ENTRY_BY_KEY, next_in(a, index, ENTRY_BY_KEY))
    return index


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def list_as_free(a: ArenaState, index: u64) -> cython.void:
    """Add an entry to the list of free ones."""
    set_next(a, index, ENTRY_BY_KEY, first_free_entry(a))
    set_next(a, 0, ENTRY_BY_KEY, index)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def free_entry(a: ArenaState, index: u64) -> cython.void:
    """Free an entry that is in its buckets."""
    at: u64 = entry_at(index)
    store(a.entries, at + ENTRY_STATE, 0)
    if a.entries[at + ENTRY_KEY]:
        unlist_entry(a, index, ENTRY_BY_KEY)
    unlist_entry(a, index, ENTRY_BY_NODE)
    if a.fault == 0:
        list_as_free(a, index)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def is_found(a: ArenaState, index: u64) -> cython.bint:
    """Whether an entry is found by its buffer, and by its key unless that is empty."""
    at: u64 = entry_at(index)
    return find_node(a, a.entries[at + ENTRY_NODE]) == index and (
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
    a: ArenaState,
    node: u64,
    n_bytes: u64,
    key: cython.p_ulonglong,
    now_ms: u64,
    replace: cython.bint,
) -> u64:
    """Keep a live buffer under a key, which may be empty; DONE, TAKEN, FULL or UNBACKED.

    A buffer that is kept already gets the length `n_bytes`, and the new key unless that is empty.
    """
    # Looked for in any case: a fault in the bucket must be found before anything changes.
    former: u64 = find_node(a, node)
    if not holds(a, node, 0):
        former = 0
    if former and (key[0] == 0 or has_key(a, former, key)):
        store(a.entries, entry_at(former) + ENTRY_BYTES, n_bytes)
        return DONE
    hashed: u64 = hash_of_key(key)
    old: u64 = find_hashed(a, key, hashed) if key[0] else 0
    if old and not replace:
        return TAKEN
    # One entry is left over for what takes the place of another.
    if not has_room(a, 1 if former or old else 2):
        return FULL
    if a.sparse and first_free_entry(a) == 0:
        end: u64 = entries_end(a)
        if end == 0:
            end = 1
        if end >= a.known_entries:
            return UNBACKED
    if a.fault:
        return DONE
    number: u64 = a.base[A_NUMBER] + 1
    store(a.base, A_NUMBER, number)
    index: u64 = take_entry(a)
    if a.fault:
        return DONE
    at: u64 = entry_at(index)
    i: u64 = 0
    while i < KEY_WORDS:
        store(a.entries, at + ENTRY_KEY + i, key[i])
        i += 1
    store(a.entries, at + ENTRY_GENERATION, low(a.records[node]))
    store(a.entries, at + ENTRY_BYTES, n_bytes)
    store(a.entries, at + ENTRY_KEPT, now_ms)
    store(a.entries, at + ENTRY_NODE, node)
    add_hold(a, node, 0)
    store(a.entries, at + ENTRY_STATE, 1 + number)
    if key[0]:
        list_entry(a, index, ENTRY_BY_KEY, hashed)
    list_entry(a, index, ENTRY_BY_NODE, mixed(low(node)))
    if former:
        free_entry(a, former)
    if old and a.fault == 0:
        forget(a, old)
    return DONE
