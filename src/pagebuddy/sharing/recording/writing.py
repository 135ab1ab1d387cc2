"""Writing a tape to its file, uncompiled. Compiled, `writing.pxi` has the same functions in C."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pagebuddy.sharing.recording.tape import Tape


def begin_writing(t: Tape) -> bool:
    """Become the thread that writes; False if another is."""
    return bool(t.lock.acquire(blocking=False))


def end_writing(t: Tape) -> None:
    """Let another thread write."""
    t.lock.release()


def written(t: Tape, at: int, n_bytes: int) -> int:
    """Write bytes of a tape's memory; 0, or the errno of the failure."""
    left = t.memory[at : at + n_bytes]
    try:
        while left:
            left = left[os.write(t.fd, left) :]
    except OSError as error:
        return error.errno or 1
    return 0
