"""Holds: the bits that say which processes use a buffer; and freeing a buffer that nothing protects."""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.aside import settle
    from pagebuddy.core.spans import give, length, next_live
    from pagebuddy.core.state import fail
    from pagebuddy.core.words import F_RECORD, FIRST_NODE, is_live, low, store, u64
    from pagebuddy.sharing.recording.recording import record_end
    from pagebuddy.sharing.state import ArenaState, holds_at
    from pagebuddy.sharing.system.atomic import peek
    from pagebuddy.sharing.words import OWN_OBJECT, hold_bit, hold_word


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def begin_count(a: ArenaState, node: u64) -> cython.void:
    """Count the first object of a buffer that this process did not hold before."""
    if a.unsettled:
        a.local[node - FIRST_NODE] = OWN_OBJECT
    elif a.local[node - FIRST_NODE]:
        # Another process took a round out that was marked.
        a.local[node - FIRST_NODE] = 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def hold_alone(a: ArenaState, node: u64) -> cython.void:
    """Make this process the only holder of pages that are about to become a buffer."""
    at: u64 = holds_at(a, node)
    i: u64 = 0
    while i < a.words_of_holds:
        store(a.holds, at + i, a.my_bit if i == a.my_word else 0)
        i += 1
    begin_count(a, node)


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
    """Store a slot's hold on a buffer."""
    at: u64 = holds_at(a, node) + hold_word(slot)
    store(a.holds, at, a.holds[at] | hold_bit(slot))


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def remove_hold(a: ArenaState, node: u64, slot: u64) -> cython.void:
    """Clear a slot's hold on a buffer. The caller calls `free_if_unused`, at once or later."""
    at: u64 = holds_at(a, node) + hold_word(slot)
    store(a.holds, at, a.holds[at] & ~hold_bit(slot))


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_unused(a: ArenaState, node: u64) -> cython.bint:
    """Whether no process holds a buffer, it is not kept, and it has no ticket."""
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
    """Whether only this process uses a buffer, with one object at most. Needs no lock."""
    at: u64 = holds_at(a, node)
    i: u64 = 0
    while i < a.words_of_holds:
        if peek(a.holds, at + i) != (a.my_bit if i == a.my_word else 0):
            return False
        i += 1
    return not a.sticky and a.local[node - FIRST_NODE] == 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_page(a: ArenaState, node: u64) -> cython.bint:
    """Whether a node is a page's. Flipped bits can have made it any number."""
    return node >= FIRST_NODE and node < a.n_nodes


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_buffer(a: ArenaState, node: u64) -> cython.bint:
    """Whether a live buffer starts at a node. An arena has one section, always in use."""
    return is_page(a, node) and is_live(a.records[node])


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def settle_and_find_first(a: ArenaState) -> u64:
    """Return cached pages to the free lists, then find the first live buffer; 0 if there is none."""
    settle(a)
    return next_live(a, FIRST_NODE) if a.fault == 0 else 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_the_buffer(a: ArenaState, node: u64, generation: u64) -> cython.bint:
    """Whether the buffer that an entry or a ticket was made for is still live."""
    return is_buffer(a, node) and low(a.records[node]) == generation


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def fits(a: ArenaState, node: u64, n_bytes: u64) -> cython.bint:
    """Whether a live buffer can have as many bytes as an entry or a ticket says."""
    return n_bytes != 0 and n_bytes <= length(a, node) << a.page_bits


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def free_if_unused(a: ArenaState, node: u64) -> cython.void:
    """Free a buffer if nothing protects it."""
    if is_unused(a, node):
        give(a, node)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def end_hold(a: ArenaState, node: u64) -> cython.void:
    """End one object's use of a buffer; with the last object, this process's hold ends."""
    if a.local[node - FIRST_NODE] & (OWN_OBJECT - 1):
        a.local[node - FIRST_NODE] -= 1
        return
    at: u64 = holds_at(a, node) + a.my_word
    if not is_buffer(a, node) or a.holds[at] & a.my_bit == 0:
        fail(a, F_RECORD, node)
        return
    if a.unsettled:
        a.local[node - FIRST_NODE] = 0
    if a.sticky:
        # Another process that shares the slot may still use it.
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
    """`n_bytes` if a live buffer can have that many bytes, else the bytes of all its pages."""
    most: u64 = length(a, node) << a.page_bits
    return n_bytes if 0 < n_bytes <= most else most
