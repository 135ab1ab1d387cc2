"""The arena's lock: one process, and one thread of it, at a time.

    LOCK_MUTEX   a robust, process-shared, error-checking mutex in the arena: compiled only
    LOCK_FILE    a lock on a byte of the arena's file, through an open file of this process only, and a
                 gate between the threads of the process
    LOCK_NONE    one process only: the gate; compiled, the GIL is enough

Taking it answers DONE, LOCKED (another has it, and the time is over), OWN_LOCK, OWNER_DIED (it is taken,
and its last owner died with it), or UNLOCKABLE.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.words import u64
    from pagebuddy.sharing.state import ArenaState
    from pagebuddy.sharing.system.alive import locks_the_arena
    from pagebuddy.sharing.system.gate import byte_give, byte_take, gate_give, gate_take
    from pagebuddy.sharing.words import (
        DONE,
        FOREIGN,
        LOCK_FILE,
        LOCK_FOREIGN,
        LOCK_MUTEX,
        LOCK_NONE,
        UNLOCKABLE,
    )

    def mutex_take(words: memoryview, milliseconds: u64) -> u64:
        """Uncompiled there is no mutex: `attach` refuses an arena that has one."""
        return UNLOCKABLE

    def mutex_give(words: memoryview) -> None:
        """Do nothing: no mutex was taken."""

    mutex_mend = mutex_give

    def mutex_made_again(words: memoryview) -> bool:
        """Return False: there is no mutex."""
        return False


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def lock_without_mutex(a: ArenaState, milliseconds: u64) -> u64:
    """`lock` for arenas without a mutex."""
    if cython.compiled and a.lock_kind == LOCK_NONE:
        return DONE
    if a.lock_kind == LOCK_FOREIGN:
        return FOREIGN
    answer: u64 = gate_take(a.gate, milliseconds)
    if answer == DONE and a.lock_kind == LOCK_FILE:
        answer = UNLOCKABLE
        if locks_the_arena(a):
            answer = byte_take(a.lock_fd, milliseconds)
        if answer != DONE:
            gate_give(a.gate)
    return answer


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def lock(a: ArenaState, milliseconds: u64) -> u64:
    """Take the lock, waiting at most so long; 0 means not to wait."""
    if a.lock_kind == LOCK_MUTEX:
        return mutex_take(a.base, milliseconds)
    return lock_without_mutex(a, milliseconds)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def unlock_without_mutex(a: ArenaState) -> cython.void:
    """`unlock` for arenas without a mutex."""
    if a.lock_kind == LOCK_FILE:
        byte_give(a.lock_fd)
    if not (cython.compiled and a.lock_kind == LOCK_NONE):
        gate_give(a.gate)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def unlock(a: ArenaState) -> cython.void:
    """Release the lock."""
    if a.lock_kind == LOCK_MUTEX:
        mutex_give(a.base)
    else:
        unlock_without_mutex(a)
