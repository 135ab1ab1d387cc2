"""What a tape needs of the system, uncompiled. Compiled, `writing.pxi` has the same functions in C."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pagebuddy.sharing.recording.tape import Tape


def begin_writing(t: Tape) -> bool:
    """Whether no other thread writes; then this one does."""
    return bool(t.lock.acquire(blocking=False))


def end_writing(t: Tape) -> None:
    """Let others write."""
    t.lock.release()


def written(t: Tape, at: int, n_bytes: int) -> int:
    """Write so many bytes of a tape's memory; 0, or the system's number for why that failed."""
    left = t.memory[at : at + n_bytes]
    try:
        while left:
            left = left[os.write(t.fd, left) :]
    except OSError as error:
        return error.errno or 1
    return 0
