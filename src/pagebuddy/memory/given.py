"""Memory that the caller has: a bytearray, an mmap, an array of ctypes, a pinned buffer."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from ctypes import c_char
from typing import Any

from pagebuddy.allocator.placement import address_of, as_bytes
from pagebuddy.arguments import whole
from pagebuddy.errors import ArenaClosed
from pagebuddy.memory.mapping import LastCall, run_last_calls
from pagebuddy.memory.maps import is_shared_at
from pagebuddy.memory.options import PLAIN, Options
from pagebuddy.memory.untracked import untracked


class Given:
    """A medium over any writable memory, which it keeps alive and unchanged in size.

    >>> given = Given(bytearray(4096))
    >>> given.memory[0] = 7
    >>> given.size
    4096
    """

    KIND = "memory that was given"

    shared = False

    limited = False

    seen_by_children: bool
    """Whether a forked child sees what is stored after the fork."""

    def __init__(self, memory: Any, options: Options = PLAIN) -> None:
        """Take all bytes of a buffer.

        Raises TypeError for what is no buffer, ValueError for one that is read-only, empty or has gaps,
        and for any option: how this memory is backed was decided before.
        """
        options.check(self.KIND, ())
        view = as_bytes(memory, "memory")
        if not view.nbytes:
            raise ValueError("memory is empty; give a buffer with room for pages in it")
        self._size = view.nbytes
        self._address = address_of(view)
        self.seen_by_children = is_shared_at(self._address, self._size)
        self._last_calls: list[LastCall] = []
        array = untracked((c_char * view.nbytes).from_buffer(view))
        weakref.finalize(array, run_last_calls, self._last_calls, view).atexit = False
        self._memory: memoryview | None = memoryview(array).cast("B")

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return self._size

    @property
    def memory(self) -> memoryview:
        """All bytes, writable."""
        if self._memory is None:
            raise ArenaClosed(f"{self.KIND} was closed; give it again")
        return self._memory

    @property
    def address(self) -> int:
        """Where the first byte is in this process. It need not be aligned."""
        return self._address

    def fileno(self) -> int:
        """There is none: raises ValueError."""
        raise ValueError(
            f"{self.KIND} has no descriptor to pass on; only memory that is shared, by name, by "
            "descriptor or as a file, has one"
        )

    def back(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Nothing to do: it is the caller's, and there."""

    def publish(self) -> None:
        """Nobody else can see it, now or later."""

    def is_cut(self) -> bool:
        """Never: the caller cannot take the memory away while there is a view of it."""
        return False

    def trim(self, offset: int, length: int) -> int:
        """Nothing is given back, as nothing is known of where the memory came from.

        Returns 0; raises ValueError for what lies outside.
        """
        whole(length, "length", most=self._size - whole(offset, "offset", most=self._size))
        return 0

    def flush(self) -> None:
        """Nothing to do: what the memory stands for is the caller's to write out."""

    def unlink(self) -> bool:
        """There is no name to remove."""
        return False

    def at_end(self, call: LastCall) -> None:
        """Have `call` called when the last view is gone; see `Mapping.at_end`."""
        self._last_calls.append(call)

    def close(self) -> None:
        """Let go of the memory, which ends when its last view and its giver have let go of it."""
        self._memory = None
