"""Errors of a process or a system that has no file descriptor left. Used wherever a file is opened."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

NO_DESCRIPTOR = {
    errno.EMFILE: "this process has no file descriptor left; close some files, or raise `ulimit -n`",
    errno.ENFILE: "the system has no open file left; close some",
}
"""What is missing and what to do, by the number of the error."""


@contextmanager
def descriptor_for(what: str) -> Iterator[None]:
    """Say what needed a descriptor, if the block raises an OSError because there is none left."""
    try:
        yield
    except OSError as error:
        cause = NO_DESCRIPTOR.get(error.errno or 0)
        if cause is None:
            raise
        raise OSError(error.errno, f"cannot open {what}: {cause}") from error
