"""A request: what one operation on an arena is asked, and what it answers."""

from array import array
from typing import Any

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.words import u64, words_of

KEY_BYTES = 48


def key_words(key: str) -> memoryview:
    """Return a key of at most 47 ASCII characters as words, padded with zeros."""
    return memoryview(key.encode("ascii").ljust(KEY_BYTES, b"\0")).cast("Q")


# Of requests without either, which are most: nothing is stored there.
NO_KEY = key_words("")
NO_ROWS = memoryview(array("Q", [0]))


@cython.cclass
class Request:
    """What an operation is asked, and what it answers. Which of these it uses, the operation says.

    `rows` is room for words: an operation that fills it sets `n_rows` to the words that it stored, and
    `node` to where the next call goes on, or to 0.
    """

    node: u64
    n: u64
    align: u64
    n_bytes: u64
    slot: u64
    flag: u64
    generation: u64
    free: u64
    longest: u64
    index: u64  # of a ticket
    serial: u64
    time: u64  # ms
    missing: u64  # what an UNBACKED operation needs
    n_rows: u64
    key: cython.p_ulonglong
    rows: cython.p_ulonglong
    key_owner: Any
    rows_owner: Any

    def __init__(
        self,
        node: int = 0,
        n: int = 0,
        n_bytes: int = 0,
        align: int = 1,
        slot: int = 0,
        flag: int = 0,
        key: str = "",
        rows: int = 0,
        index: int = 0,
        serial: int = 0,
        time: int = 0,
        longest: int = 0,
    ) -> None:
        self.node = node
        self.n = n
        self.n_bytes = n_bytes
        self.align = align
        self.slot = slot
        self.flag = flag
        self.generation = self.free = self.missing = 0
        self.index = index
        self.serial = serial
        self.time = time
        self.longest = longest
        self.n_rows = rows
        self.key_owner = key_words(key) if key else NO_KEY
        self.rows_owner = memoryview(array("Q", bytes(8 * rows))) if rows else NO_ROWS
        self.key = words_of(self.key_owner)
        self.rows = words_of(self.rows_owner)

    @property
    def answer(self) -> dict[str, int]:
        """All figures, by name."""
        return {
            "node": self.node,
            "n": self.n,
            "n_bytes": self.n_bytes,
            "slot": self.slot,
            "flag": self.flag,
            "generation": self.generation,
            "free": self.free,
            "longest": self.longest,
            "index": self.index,
            "serial": self.serial,
        }

    @property
    def ticket(self) -> tuple[int, int]:
        """The index and the serial of a ticket."""
        return self.index, self.serial

    @property
    def key_text(self) -> str:
        """The key that was asked for."""
        return bytes(self.key_owner).rstrip(b"\0").decode("ascii")

    def rows_view(self) -> memoryview:
        """The words of `rows` that were stored, as they are."""
        view: memoryview = self.rows_owner[: self.n_rows]
        return view

    @property
    def filled(self) -> list[int]:
        """The words of `rows` that were stored."""
        return self.rows_view().tolist()
