"""Read the files in which the kernel reports figures and settings, in /proc and /sys."""

from __future__ import annotations

from os import PathLike

Path = str | PathLike[str]


def bytes_in(path: Path) -> bytes:
    """Return the contents of a file. Raises OSError."""
    # Not `pathlib`, which is slow to import.
    with open(path, "rb") as file:
        return file.read()


def text_in(path: Path) -> str:
    """Return the contents of a file that has only ASCII text. Raises OSError and ValueError."""
    return bytes_in(path).decode("ascii")
