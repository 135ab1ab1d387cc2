"""Where an arena of each kind is made, and found again."""

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
    """One arena to be: of a kind, under a name, in a folder or behind a descriptor of its own."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.name = f"pagebuddy-machine-{os.getpid()}-{secrets.token_hex(4)}"
        self.folder = tempfile.TemporaryDirectory() if kind == "file" else None
        self.fd = -1

    @property
    def path(self) -> str:
        """Where the file is."""
        return os.path.join(self.folder.name if self.folder else "", "store")

    def make(self, cls: Any, size: int, **options: Any) -> Any:
        """Make the arena; `size` is that of the memory where it is given."""
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
        """Attach to it."""
        if self.kind == "named":
            return cls.attach(self.name)
        return cls.file(self.path) if self.kind == "file" else cls.attach(self.fd)

    def remove(self) -> None:
        """Leave nothing behind."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        with suppress(FileNotFoundError):
            os.unlink(path_of(self.name))
        if self.folder is not None:
            self.folder.cleanup()
