"""Media to test, names that nobody else has, and a count of what a failure may leave behind."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

import pytest

from pagebuddy.memory.anonymous import Anonymous
from pagebuddy.memory.file import File
from pagebuddy.memory.given import Given
from pagebuddy.memory.named import FOLDER, Named

OURS = f"pagebuddy-test-{os.getpid()}-"


@pytest.fixture
def name():
    """A name for memory that no other test uses; it is free again afterwards."""
    name = f"{OURS}{secrets.token_hex(8)}"
    yield name
    path = Path(FOLDER, name)
    with suppress(FileNotFoundError):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


@pytest.fixture
def make(name, tmp_path):
    """How to make each medium of a size, by its name."""
    return {
        "anonymous": Anonymous.make,
        "named": lambda size, *options: Named.make(name, size, *options),
        "file": lambda size, *options: File.make(tmp_path / "store", size, *options),
        "given": lambda size, *options: Given(bytearray(size), *options),
    }


@pytest.fixture
def medium(kind, make):
    """A medium of sixteen pages, of the kind that the test is run with."""
    return make[kind](1 << 16)


@pytest.fixture
def left_behind(tmp_path):
    """Count the descriptors, the mappings and the files of this process that are of media."""

    def count():
        maps = Path("/proc/self/maps").read_text().splitlines()
        ours = ("/memfd:pagebuddy", FOLDER, str(tmp_path))
        return {
            "descriptors": len(os.listdir("/proc/self/fd")),
            "mappings": sum(any(place in line for place in ours) for line in maps),
            "named": sorted(name for name in os.listdir(FOLDER) if name.startswith(OURS)),
            "files": sorted(os.listdir(tmp_path)),
        }

    return count
