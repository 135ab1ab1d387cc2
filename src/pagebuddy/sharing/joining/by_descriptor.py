"""Attaching an anonymous arena through the descriptor of another process, which a handle names."""

from __future__ import annotations

import os
import re
import stat
from array import array
from typing import TYPE_CHECKING

from pagebuddy.errors import PageBuddyError, StaleHandle
from pagebuddy.memory.anonymous import Anonymous
from pagebuddy.memory.descriptors import descriptor_for
from pagebuddy.sharing.joining import attaching
from pagebuddy.sharing.layout import WORD, Layout
from pagebuddy.sharing.words import ARENA_WORDS

if TYPE_CHECKING:
    from pagebuddy.sharing.attached import Attached

_PLACE = re.compile(r"p(\d{1,10})/(\d{1,10})", re.ASCII)


def attached(arena_id: int, place: str) -> Attached:
    """Attach the arena that the descriptor of a process refers to. Raises `StaleHandle`.

    Another process may have this id by now, or the descriptor may refer to another file: nothing but a
    file with the header of this arena is attached, and no other kind of file is opened.
    """
    found = _PLACE.fullmatch(place)
    if found is None:
        raise _stale("its handle does not say which process has it")
    pid, fd = found.groups()
    try:
        medium = _opened(arena_id, f"/proc/{pid}/fd/{fd}")
        if medium is None:
            raise _stale(f"the descriptor that process {pid} had for it refers to another file")
        return attaching.attach_medium(medium)
    except FileNotFoundError as error:
        raise _stale(
            f"process {pid}, which sent it, has ended, closed it, or is in another container"
        ) from error
    except (PageBuddyError, ValueError, OSError) as error:
        if isinstance(error, StaleHandle):
            raise
        raise _stale(
            f"it cannot be attached through process {pid}, which sent it: {error}"
        ) from error


def _opened(arena_id: int, path: str) -> Anonymous | None:
    """Open and map the arena at a path; None if there is another file."""
    # Opening a device or a pipe may have effects.
    if not stat.S_ISREG(os.stat(path).st_mode):
        return None
    with descriptor_for("the arena of a handle"):
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        header = os.pread(fd, ARENA_WORDS * WORD, 0)
        words = array("Q", header[: len(header) // WORD * WORD])
        try:
            layout = Layout.read(words, os.fstat(fd).st_size)
        except PageBuddyError:
            return None
        return Anonymous.attach(fd) if layout.arena_id == arena_id else None
    finally:
        os.close(fd)


def _stale(reason: str) -> StaleHandle:
    return StaleHandle(
        f"the handle is of an anonymous arena that this process does not have, and {reason}; use a "
        "named arena, or pass the arena first, as an argument or by its descriptor"
    )
