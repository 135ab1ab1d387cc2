"""Progress: what a process works on, in words that others read, and that stay when it is killed.

A process works on a batch of numbered tasks, one after the other. Another process can take back those
that it has not started.
"""

from typing import Any

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.words import low, store, u64, words_of
    from pagebuddy.sharing.system.atomic import peek, swap
    from pagebuddy.sharing.words import P_COUNTS, P_FIRST, P_WORDS


@cython.no_gc
@cython.final
@cython.cclass
class Progress:
    """A row of words: one process works through it, and others look at it.

    A task is started, or taken back, by one atomic change of the word with both counts.
    """

    words_owner: Any
    words: cython.p_ulonglong
    at: u64

    def __init__(self, words: memoryview, row: u64) -> None:
        """Use a row of these words, whose memory `words` keeps."""
        if not (row + 1) * P_WORDS <= len(words):
            raise ValueError(f"row is {row}; there are {len(words) // P_WORDS}")
        self.words_owner = words
        self.words = words_of(words)
        self.at = row * P_WORDS

    def begin(self, first: u64, n: u64) -> None:
        """Say that this process has tasks of these numbers, and has started none. At most 65,535."""
        # So that a process that is killed in between has none.
        store(self.words, self.at + P_COUNTS, 0)
        store(self.words, self.at + P_FIRST, first)
        store(self.words, self.at + P_COUNTS, low(first) << 32 | n)

    def start_next(self) -> bool:
        """Start the next task; False if there is none, or if it was taken back."""
        while True:
            counts: u64 = peek(self.words, self.at + P_COUNTS)
            if counts >> 16 & 0xFFFF >= counts & 0xFFFF:
                return False
            if swap(self.words, self.at + P_COUNTS, counts, counts + 0x1_0000):
                return True

    def read(self) -> tuple[int, int, int]:
        """Return the number of the first task, how many were started, and how many there are."""
        counts: u64 = peek(self.words, self.at + P_COUNTS)
        return peek(self.words, self.at + P_FIRST), counts >> 16 & 0xFFFF, counts & 0xFFFF

    def take_back(self) -> tuple[int, int, int]:
        """The same, and take back the tasks that were not started."""
        while True:
            counts: u64 = peek(self.words, self.at + P_COUNTS)
            first: u64 = peek(self.words, self.at + P_FIRST)
            started: u64 = counts >> 16 & 0xFFFF
            rest: u64 = counts >> 32 << 32
            if low(first) << 32 == rest and swap(
                self.words, self.at + P_COUNTS, counts, rest | started << 16 | started
            ):
                return first, started, counts & 0xFFFF
            if counts == 0:
                # There are none, or the process begins.
                return first, 0, 0

    def __reduce__(self) -> Any:
        raise TypeError("progress cannot be copied or pickled")
