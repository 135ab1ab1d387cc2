"""Fixtures that create media to test."""

from __future__ import annotations

import pytest

from pagebuddy.memory.anonymous import Anonymous
from pagebuddy.memory.file import File
from pagebuddy.memory.given import Given
from pagebuddy.memory.named import Named


@pytest.fixture
def make(name, tmp_path):
    """Functions that create a medium of a given size, by the name of the medium."""
    return {
        "anonymous": Anonymous.make,
        "named": lambda size, *options: Named.make(name, size, *options),
        "file": lambda size, *options: File.make(tmp_path / "store", size, *options),
        "given": lambda size, *options: Given(bytearray(size), *options),
    }


@pytest.fixture
def medium(kind, make):
    """A medium of sixteen pages, of the kind that the test is parametrized with."""
    return make[kind](1 << 16)
