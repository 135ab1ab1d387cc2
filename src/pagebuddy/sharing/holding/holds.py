"""Holds: the bits that say which processes use a buffer, and the end of a buffer that nobody uses."""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.aside import settle
    from pagebuddy.core.spans import give, length, next_live
    from pagebuddy.core.state import fail, use_node
    from pagebuddy.core.words import F_RECORD, N_HEADS, is_live, low, store, u64
    from pagebuddy.sharing.recording.recording import record_end
    from pagebuddy.sharing.state import ArenaState, holds_at
    from pagebuddy.sharing.system.atomic import peek
    from pagebuddy.sharing.words import hold_bit, hold_word


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def hold_alone(a: ArenaState, node: u64) -> cython.void:
    """Make this process the only one that holds what is about to become a buffer."""
    at: u64 = holds_at(a, node)
    i: u64 = 0
    while i < a.words_of_holds:
        store(a.holds, at + i, a.my_bit if i == a.my_word else 0)
        i += 1


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def holds(a: ArenaState, node: u64, slot: u64) -> cython.bint:
    """Whether a slot holds a buffer."""
    return a.holds[holds_at(a, node) + hold_word(slot)] & hold_bit(slot) != 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def add_hold(a: ArenaState, node: u64, slot: u64) -> cython.void:
    """Let a slot hold a buffer."""
    at: u64 = holds_at(a, node) + hold_word(slot)
    store(a.holds, at, a.holds[at] | hold_bit(slot))


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def remove_hold(a: ArenaState, node: u64, slot: u64) -> cython.void:
    """Let a slot hold a buffer no longer; see `free_if_unused`."""
    at: u64 = holds_at(a, node) + hold_word(slot)
    store(a.holds, at, a.holds[at] & ~hold_bit(slot))


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_unused(a: ArenaState, node: u64) -> cython.bint:
    """Whether nobody holds a buffer, it is not kept, and no ticket names it."""
    at: u64 = holds_at(a, node)
    i: u64 = 0
    while i < a.words_of_holds:
        if a.holds[at + i]:
            return False
        i += 1
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_held_by_me_alone(a: ArenaState, node: u64) -> cython.bint:
    """Whether at most one object of this process uses a buffer, and nobody else. Needs no lock."""
    at: u64 = holds_at(a, node)
    i: u64 = 0
    while i < a.words_of_holds:
        if peek(a.holds, at + i) != (a.my_bit if i == a.my_word else 0):
            return False
        i += 1
    return not a.sticky and a.local[node - N_HEADS] == 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_buffer(a: ArenaState, node: u64) -> cython.bint:
    """Whether a node is the first of a live span; its section is then in use."""
    return node >= N_HEADS and use_node(a, node) and is_live(a.links[node])


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def first_buffer(a: ArenaState) -> u64:
    """The first live buffer, its section in use; 0 where there is none.

    What is aside is settled: it is in no list, and may be all there is.
    """
    settle(a)
    return next_live(a, N_HEADS) if a.fault == 0 else 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_the_buffer(a: ArenaState, node: u64, generation: u64) -> cython.bint:
    """Whether the very buffer that an entry or a ticket was made for is still live."""
    return is_buffer(a, node) and low(a.links[node]) == generation


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def fits(a: ArenaState, node: u64, n_bytes: u64) -> cython.bint:
    """Whether a live buffer can have that many bytes, as an entry or a ticket tells."""
    return n_bytes != 0 and n_bytes <= length(a, node) << a.page_bits


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def free_if_unused(a: ArenaState, node: u64) -> cython.void:
    """Free a buffer that nobody needs any more."""
    if is_unused(a, node):
        give(a, node)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def end_hold(a: ArenaState, node: u64) -> cython.void:
    """One local object less uses a buffer; with the last one this process's hold ends."""
    if a.local[node - N_HEADS]:
        a.local[node - N_HEADS] -= 1
        return
    at: u64 = holds_at(a, node) + a.my_word
    if not is_buffer(a, node) or a.holds[at] & a.my_bit == 0:
        fail(a, F_RECORD, node)
        return
    if a.sticky:
        # A child that shares the slot may still use it.
        return
    store(a.holds, at, a.holds[at] & ~a.my_bit)
    if node < a.recorded:
        record_end(a, node)
    free_if_unused(a, node)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def bytes_within(a: ArenaState, node: u64, n_bytes: u64) -> u64:
    """What is told to be a live buffer's bytes, or all of its pages' if that cannot be."""
    most: u64 = length(a, node) << a.page_bits
    return n_bytes if 0 < n_bytes <= most else most
