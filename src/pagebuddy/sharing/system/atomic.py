"""Words that processes change without the lock, uncompiled. Compiled, `atomic.pxi` has them in C.

Only arenas with a mutex have words that several processes change like this. The uncompiled engine cannot
attach these, but it can read a copy of one; so it needs no atomic instructions.
"""

from __future__ import annotations


def peek(words: memoryview, index: int) -> int:
    """Read a word, in one order for all processes."""
    return words[index]


def swap(words: memoryview, index: int, old: int, new: int) -> bool:
    """Replace a word if it is still `old`; whether it was. In one order for all processes."""
    if words[index] != old:
        return False
    words[index] = new
    return True


def set_bits(words: memoryview, index: int, bits: int) -> None:
    """Set bits of a word, beside other threads that set or clear some."""
    words[index] |= bits


def fence() -> None:
    """Make earlier stores visible to all processes before later reads."""
