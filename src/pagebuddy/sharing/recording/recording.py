"""What of an arena's life is recorded: when this process begins to hold a buffer, and when it ends that.

Pages are the keys, as a buffer that is held keeps its pages: what others do to it changes nothing that
was recorded, and nothing of theirs needs to be known.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.words import N_HEADS, u64
    from pagebuddy.sharing.recording.tape import has_room, put_alloc, put_free, write_tape
    from pagebuddy.sharing.state import ArenaState
    from pagebuddy.sharing.system.lock import unlock
    from pagebuddy.sharing.words import TAPE_BLOCK


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def record_hold(a: ArenaState, node: u64, n_bytes: u64) -> cython.void:
    """This process holds a buffer from now on."""
    if has_room(a.tape, 1):
        put_alloc(a.tape, node - N_HEADS, n_bytes)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def record_end(a: ArenaState, node: u64) -> cython.void:
    """This process holds a buffer no longer."""
    if has_room(a.tape, 1):
        put_free(a.tape, node - N_HEADS)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def record_resize(a: ArenaState, node: u64, n_bytes: u64) -> cython.void:
    """A buffer that this process holds has another length."""
    if has_room(a.tape, 2):
        put_free(a.tape, node - N_HEADS)
        put_alloc(a.tape, node - N_HEADS, n_bytes)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def unlock_recorded(a: ArenaState) -> cython.void:
    """Give the lock back, then write the blocks that are full."""
    end: u64 = a.tape.put & ~cython.cast(u64, TAPE_BLOCK - 1)
    unlock(a)
    if end > a.tape.taken:
        write_tape(a.tape, end)
