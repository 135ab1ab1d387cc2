"""Which words may be touched, where a file may be longer than its file system has room for.

To touch a page of such a file that cannot be had ends the process. So links are *backed* beforehand, by
a call that can fail, a *granule* at a time: GRANULE words, a page of most systems. Where the engine
would store into a granule that this process does not know to be backed, it stops, nothing changed, with
the fault MISSING at a node of the granule. Whoever called it has that backed, and asks again. Where
memory is all there, `sparse` is off, and nothing is looked at.

These hold in the memory itself:
- A granule is backed if a live span or a free block starts in it, or would if a live span were freed or
  what is aside were settled.
- The bits of all largest blocks up to the one that has the high water are backed.
- Where the file has a hole, the words are zero.

So to free, which cannot fail, takes nothing that is not there: the blocks that a span is freed as start
where that was looked at when it was taken, and what they merge with started somewhere before.
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
    """The number of the granule that has a node's link."""
    return (node + s.skew) // GRANULE


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def granule_end(s: State, node: u64) -> u64:
    """The first node behind the granule that has a node."""
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
    """Whether a node's granule was found to be a hole, so that there is nothing to be read in it.

    Only while `holes` is on: asked by the caller, for whom this is on the path of every page.
    """
    granule: u64 = granule_of(s, node)
    return s.stored[granule >> 6] >> (granule & 63) & 1 == 0


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def can_start(s: State, place: u64, n: u64) -> cython.bint:
    """Whether all blocks that a run would be freed as start in granules known to be backed."""
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
    """Whether the bits of all blocks that start up to a place, that one too, are known to be backed."""
    if end >= s.known_bits and s.known_bits < s.end_place:
        fail(s, MISSING, node_at(s, end - 1))
        return False
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def is_backed(s: State, begin: u64, place: u64, n: u64, end: u64) -> cython.bint:
    """Whether n pages at a place can be taken out of free pages from `begin` to `end`."""
    return (
        has_bits(s, place + n)
        and can_start(s, begin, place - begin)
        and can_start(s, place, n)
        and can_start(s, place + n, end - place - n)
    )
