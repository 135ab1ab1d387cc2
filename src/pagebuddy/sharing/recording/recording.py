"""Recording the holds of this process: when it begins to hold a buffer, and when it stops.

A line's id is the buffer's first page: a held buffer keeps its pages, so what other processes do with it
need not be recorded.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.words import FIRST_NODE, u64
    from pagebuddy.sharing.recording.tape import make_room_for, put_alloc, put_free, write_tape
    from pagebuddy.sharing.state import ArenaState
    from pagebuddy.sharing.system.lock import unlock
    from pagebuddy.sharing.words import TAPE_BLOCK


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def record_hold(a: ArenaState, node: u64, n_bytes: u64) -> cython.void:
    """Record that this process holds a buffer from now on."""
    if make_room_for(a.tape, 1):
        put_alloc(a.tape, node - FIRST_NODE, n_bytes)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def record_end(a: ArenaState, node: u64) -> cython.void:
    """Record that this process no longer holds a buffer."""
    if make_room_for(a.tape, 1):
        put_free(a.tape, node - FIRST_NODE)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def record_resize(a: ArenaState, node: u64, n_bytes: u64) -> cython.void:
    """Record the new length of a buffer that this process holds."""
    if make_room_for(a.tape, 2):
        put_free(a.tape, node - FIRST_NODE)
        put_alloc(a.tape, node - FIRST_NODE, n_bytes)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def unlock_recorded(a: ArenaState) -> cython.void:
    """Release the lock, then write the full blocks to the file."""
    end: u64 = a.tape.put & ~cython.cast(u64, TAPE_BLOCK - 1)
    unlock(a)
    if end > a.tape.taken:
        write_tape(a.tape, end)
