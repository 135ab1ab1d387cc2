"""A stripe: the free list and the bits of one order.

The mask in the header marks the lists that are not empty. The callers of `push` and `remove` update it:
a split changes it once for several blocks, instead of one dependent store for each.

A list is circular and doubly linked through the link words, with one sentinel per order: node k is the
head of order k. A bit is set if its block is in its list. A block is only unlinked if both of its
neighbours point back to it.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .arith import size
    from .state import State, fail, node_at
    from .words import F_NEIGHBOURS, H_COUNTS, i64, low, u64, wrapped


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def bit_word(s: State, bit: u64) -> i64:
    """The index of the word that contains a bit of the section in use."""
    word: i64 = bit >> 6
    return s.bits_at + word


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_free(s: State, place: u64, k: u64) -> cython.bint:
    """Whether the block of order k at a place is in its list. It must be within the section."""
    bit: u64 = 2 * place + size(k)
    return (s.words[bit_word(s, bit)] >> (bit & 63)) & 1 != 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def push(s: State, place: u64, k: u64) -> cython.void:
    """Put a block at the front of its list. The caller adds the list to the mask."""
    node: u64 = node_at(s, place)
    after: u64 = low(s.links[k])
    if after >= s.n_nodes or s.links[after] >> 32 != k:
        fail(s, F_NEIGHBOURS, node)
        return
    s.links[node] = k << 32 | after
    s.links[after] = node << 32 | low(s.links[after])
    s.links[k] = s.links[k] >> 32 << 32 | node
    bit: u64 = 2 * place + size(k)
    s.words[bit_word(s, bit)] |= size(bit & 63)
    s.words[H_COUNTS + k] = wrapped(s.words[H_COUNTS + k] + 1)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def remove(s: State, place: u64, k: u64) -> u64:
    """Remove a free block from its list; the list's bit in the mask if it is now empty, else 0."""
    node: u64 = node_at(s, place)
    before: u64 = s.links[node] >> 32
    after: u64 = low(s.links[node])
    if (
        before >= s.n_nodes
        or after >= s.n_nodes
        or low(s.links[before]) != node
        or s.links[after] >> 32 != node
    ):
        fail(s, F_NEIGHBOURS, node)
        return 0
    s.links[after] = before << 32 | low(s.links[after])
    s.links[before] = s.links[before] >> 32 << 32 | after
    s.links[node] = 0
    bit: u64 = 2 * place + size(k)
    s.words[bit_word(s, bit)] &= ~size(bit & 63)
    s.words[H_COUNTS + k] = wrapped(s.words[H_COUNTS + k] - 1)
    emptied: u64 = before == after
    return emptied << k
