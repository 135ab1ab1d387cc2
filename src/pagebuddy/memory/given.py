"""Memory of the caller: a bytearray, an mmap, a ctypes array, a pinned buffer. For one process."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any, NoReturn

from pagebuddy.allocator.placement import address_of, as_bytes
from pagebuddy.arguments import whole
from pagebuddy.errors import ArenaClosed
from pagebuddy.memory.mapping import LastCall, run_last_calls
from pagebuddy.memory.maps import is_shared_at
from pagebuddy.memory.options import PLAIN, Options
from pagebuddy.memory.untracked import untracked


class Given:
    """A medium over any writable buffer, which it keeps alive and unchanged in size.

    >>> given = Given(bytearray(4096))
    >>> given.memory[0] = 7
    >>> given.size
    4096
    """

    KIND = "memory of the caller"

    FOUND_BY = "-"

    place = ""

    outlasts_power = False

    shared = False

    limited = False

    seen_by_children: bool

    def __init__(self, memory: Any, options: Options = PLAIN) -> None:
        """Use all bytes of a buffer.

        Raises TypeError if `memory` is not a buffer, and ValueError if it is read-only, empty or not
        contiguous. Also raises ValueError for every option, as the memory is allocated already.
        """
        options.check(self.KIND, ())
        view = as_bytes(memory, "memory")
        if not view.nbytes:
            raise ValueError("memory is empty; pass a buffer with room for at least one page")
        self._size = view.nbytes
        self._address = address_of(view)
        self.seen_by_children = is_shared_at(self._address, self._size)
        self._last_calls: list[LastCall] = []
        array = untracked(self._address, self._size)
        # The finalizer keeps the view, and so the memory.
        weakref.finalize(array, run_last_calls, self._last_calls, view).atexit = False
        self._memory: memoryview | None = memoryview(array).cast("B")

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self._size

    @property
    def memory(self) -> memoryview:
        """All bytes, writable."""
        if self._memory is None:
            raise ArenaClosed(f"{self.KIND} was closed; pass it to a new arena")
        return self._memory

    @property
    def address(self) -> int:
        """Address of the first byte in this process. It may be unaligned."""
        return self._address

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{self.KIND} cannot be copied or pickled, as it serves one process; copy its bytes instead"
        )

    def fileno(self) -> int:
        """Raise ValueError: there is no descriptor."""
        raise ValueError(
            f"{self.KIND} has no file descriptor; only anonymous memory, named memory and files have one"
        )

    def back(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Do nothing: the memory is allocated already."""

    def publish(self) -> None:
        """Do nothing: no other process can find this memory."""

    def is_linked(self) -> bool:
        """Return true: this memory never had a name to lose."""
        return True

    def is_cut(self) -> bool:
        """Return false: a buffer cannot shrink while there is a view of it."""
        return False

    def trim(self, offset: int, length: int) -> int:
        """Return 0: nothing can be freed, as the origin of the memory is unknown.

        Raises ValueError if the range is not within the memory.
        """
        whole(length, "length", most=self._size - whole(offset, "offset", most=self._size))
        return 0

    def flush(self) -> None:
        """Do nothing: if the memory is a file's, its owner writes it out."""

    def unlink(self) -> bool:
        """Return false: there is no name to remove."""
        return False

    def at_end(self, call: LastCall) -> None:
        """Register a function to call after the last view is gone; see `Mapping.at_end`."""
        self._last_calls.append(call)

    def close(self) -> None:
        """Release the memory. It ends when the last view is gone and the caller releases it too."""
        self._memory = None
