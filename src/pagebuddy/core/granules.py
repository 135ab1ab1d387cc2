"""Which words can be touched, if the file may be longer than its file system has room for.

Touching a page of such a file for which there is no room kills the process. So record words are *backed*
beforehand, by a system call that can fail, one *granule* at a time: GRANULE words, a page on most
systems. Before the engine would store into a granule that this process does not know to be backed, it
stops with the fault MISSING at a node of that granule, having changed nothing. The caller backs the
granule, and repeats the call. If all memory is there, `sparse` is off and nothing is checked.

These hold in the memory itself:
- A granule is backed if a live span starts in it, or waits, or is aside.
- The words of the groups of all largest blocks are backed, up to the block that contains the high-water
  mark; and of the others, those of the first group.
- In a hole of the file, the words are zero.

So freeing, which must not fail, needs nothing that is missing: it clears a record that is there, and the
words of the groups around are backed.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .state import State, fail, node_at
    from .words import GRANULE, MISSING, u64


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def granule_of(s: State, node: u64) -> u64:
    """The number of the granule that contains a node's record."""
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
@cython.inline
@cython.cfunc
def has_groups(s: State, end: u64) -> cython.bint:
    """Whether the words of all groups up to a place, inclusive, are known to be backed."""
    if end >= s.known_groups and s.known_groups < s.end_place:
        fail(s, MISSING, node_at(s, end - 1))
        return False
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def is_backed(s: State, place: u64, n: u64) -> cython.bint:
    """Whether a span can start at a place: its record and the groups are known to be backed."""
    if not has_groups(s, place + n):
        return False
    node: u64 = node_at(s, place)
    if not is_known(s, node):
        fail(s, MISSING, node)
        return False
    return True
