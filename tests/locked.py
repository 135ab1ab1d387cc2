"""The lock of an arena with `lock="file"`, taken by nobody in particular."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from pagebuddy.memory.named import path_of
from pagebuddy.sharing.system import gate


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Have the lock by another open file, as if by another process."""
    fd = os.open(path_of(name), os.O_RDWR)
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, gate._TAKE)
        yield
    finally:
        os.close(fd)
