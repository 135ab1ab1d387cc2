"""Create an arena of each kind, and attach to it again. Used by both machines."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from typing import Any

from pagebuddy.memory.named import path_of

KINDS = ("anonymous", "named", "file", "given")
SHARED_KINDS = KINDS[:3]


class Place:
    """The location of one arena: its kind, and its name, folder or file descriptor."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.name = f"pagebuddy-machine-{os.getpid()}-{secrets.token_hex(4)}"
        self.folder = tempfile.TemporaryDirectory() if kind == "file" else None
        self.fd = -1

    @property
    def path(self) -> str:
        """The path of the file."""
        return os.path.join(self.folder.name if self.folder else "", "store")

    def make(self, cls: Any, size: int, **options: Any) -> Any:
        """Create the arena. For the kind "given", `size` is the size of the memory."""
        if self.kind == "named":
            return cls.create(self.name, size, **options)
        if self.kind == "file":
            return cls.file(self.path, size, **options)
        if self.kind == "given":
            return cls.over(bytearray(b"\xa5" * size), **options)
        arena = cls(size, **options)
        self.fd = os.dup(arena.fileno())
        return arena

    def find(self, cls: Any) -> Any:
        """Attach to the arena."""
        if self.kind == "named":
            return cls.attach(self.name)
        return cls.file(self.path) if self.kind == "file" else cls.attach(self.fd)

    def remove(self) -> None:
        """Remove the name, the file and the descriptor."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        with suppress(FileNotFoundError):
            os.unlink(path_of(self.name))
        if self.folder is not None:
            self.folder.cleanup()
