"""Which words can be touched, if the file may be longer than its file system has room for.

Touching a page of such a file for which there is no room kills the process. So link words are *backed*
beforehand, by a system call that can fail, one *granule* at a time: GRANULE words, a page on most
systems. Before the engine would store into a granule that this process does not know to be backed, it
stops with the fault MISSING at a node of that granule, having changed nothing. The caller backs the
granule, and repeats the call. If all memory is there, `sparse` is off and nothing is checked.

These hold in the memory itself:
- A granule is backed if a live span or a free block starts in it, or would start in it after a live span
  were freed or the cached run settled.
- The bits of all largest blocks are backed, up to the block that contains the high-water mark.
- In a hole of the file, the words are zero.

So freeing, which must not fail, needs nothing that is missing: the starts of the blocks that a freed
span becomes were checked when it was allocated, and those of the blocks they merge with even before.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .arith import order_from, size
    from .state import State, fail, node_at
    from .words import GRANULE, MISSING, u64


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def granule_of(s: State, node: u64) -> u64:
    """The number of the granule that contains a node's link."""
    return (node + s.skew) // GRANULE


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def granule_end(s: State, node: u64) -> u64:
    """The first node after the granule that contains a node."""
    return (granule_of(s, node) + 1) * GRANULE - s.skew


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_known(s: State, node: u64) -> cython.bint:
    """Whether this process knows a node's granule to be backed."""
    granule: u64 = granule_of(s, node)
    return s.known[granule >> 6] >> (granule & 63) & 1 != 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_hole(s: State, node: u64) -> cython.bint:
    """Whether a node's granule was found to be a hole, which is not worth reading.

    Call it only while `holes` is on. The caller checks that, because this runs for every page.
    """
    granule: u64 = granule_of(s, node)
    return s.stored[granule >> 6] >> (granule & 63) & 1 == 0


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def can_start(s: State, place: u64, n: u64) -> cython.bint:
    """Whether all blocks that a run becomes when freed start in granules known to be backed."""
    end: u64 = place + n
    while place < end:
        node: u64 = node_at(s, place)
        if not is_known(s, node):
            fail(s, MISSING, node)
            return False
        k: u64 = order_from(place, end - place, s.top)
        if size(k) >= GRANULE:
            place += size(k)
        else:
            # Small blocks follow each other up to the next place where a large one can start.
            large: u64 = (place // GRANULE + 1) * GRANULE
            place += granule_end(s, node) - node
            if place > large:
                place = large
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def has_bits(s: State, end: u64) -> cython.bint:
    """Whether the bits of all blocks that start up to a place, inclusive, are known to be backed."""
    if end >= s.known_bits and s.known_bits < s.end_place:
        fail(s, MISSING, node_at(s, end - 1))
        return False
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def is_backed(s: State, begin: u64, place: u64, n: u64, end: u64) -> cython.bint:
    """Whether n pages at a place can be taken out of the free pages from `begin` to `end`."""
    return (
        has_bits(s, place + n)
        and can_start(s, begin, place - begin)
        and can_start(s, place, n)
        and can_start(s, place + n, end - place - n)
    )
