"""Sleepers: those who wait for a word in shared memory to change, and the flag that says there are any.

The word is a futex, and the next one is the flag. A sleeper reads the futex, sets the flag, looks again
at what it waits for, and sleeps; `announce_sleeper` has this order.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.words import low, u64
    from pagebuddy.sharing.system.atomic import fence, peek, swap
    from pagebuddy.sharing.system.futex import futex_wake


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def announce_sleeper(words: cython.p_ulonglong, which: u64) -> u64:
    """Say that somebody sleeps; return the futex's value before. Look again, and then sleep.

    Also after a sleep: a waker cleared the flag, and others may sleep.
    """
    seen: u64 = peek(words, which)
    swap(words, which + 1, 0, 1)
    fence()
    return seen


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def wake_anyway(words: cython.p_ulonglong, which: u64, most: u64) -> cython.void:
    """Change a futex, and wake so many of those who sleep there, whatever the flag says.

    The flag of a sleeper may be missing while the wake of another is on its way. The woken one sets it
    again and wakes the next, unless it leaves without what it waited for.
    """
    seen: u64 = peek(words, which)
    while not swap(words, which, seen, low(seen + 1)):
        seen = peek(words, which)
    futex_wake(words, which, most)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def wake_sleepers(words: cython.p_ulonglong, which: u64, most: u64) -> cython.void:
    """Wake so many of those who sleep, if any, after a store that they wait for and a fence."""
    if peek(words, which + 1) and swap(words, which + 1, 1, 0):
        wake_anyway(words, which, most)
