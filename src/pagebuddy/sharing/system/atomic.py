"""Words that processes change without the arena's lock, uncompiled: where there are none.

An arena that has such words has a mutex, which the uncompiled engine has not; it may have a copy of one.
Compiled, `atomic.pxi` has the same functions in C.
"""

from __future__ import annotations


def peek(words: memoryview, index: int) -> int:
    """Read a word, in an order that all processes agree on."""
    return words[index]


def swap(words: memoryview, index: int, old: int, new: int) -> bool:
    """Store a word if it still is the old one; whether it was. In an order that all agree on."""
    if words[index] != old:
        return False
    words[index] = new
    return True


def fence() -> None:
    """Let what was stored before be seen by all before anything is read after."""
