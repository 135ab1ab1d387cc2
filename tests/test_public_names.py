"""Every public name of version 0.1 is still there, with its parameters, their kinds and defaults."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest

import pagebuddy
from pagebuddy.allocator.buddy import BuddyAllocator
from pagebuddy.buffers.buffer import Buffer

STORED = json.loads((Path(__file__).parent / "stored" / "public-names-0.1.json").read_text())

# Compiled classes that show no signature are compared as they are in their source.
SOURCES = {"BuddyAllocator": BuddyAllocator, "Buffer": Buffer}

# These had `**options`, and spell them out now.
SPELLED_OUT = {
    ("Arena", "open"),
    ("Arena", "file"),
    ("ArenaExecutor", "__init__"),
    ("ArenaExecutor", "map"),
}

MEMBERS = [(kind, member) for kind in STORED for member in STORED[kind] or ()]


def parameters(function):
    return [
        [each.name, each.kind.name, None if each.default is each.empty else repr(each.default)]
        for each in inspect.signature(function).parameters.values()
    ]


def test_open_and_file_have_the_options_of_create():
    def options(function):
        return [found for found in parameters(function) if found[1] == "KEYWORD_ONLY"]

    create = options(pagebuddy.Arena.create)
    assert options(pagebuddy.Arena.open) == create
    assert options(pagebuddy.Arena.file) == [found for found in create if found[0] != "huge"]


@pytest.mark.parametrize("name", STORED)
def test_a_public_name_remains(name):
    assert name in pagebuddy.__all__
    assert hasattr(pagebuddy, name)


@pytest.mark.parametrize(("kind", "member"), MEMBERS, ids=".".join)
def test_a_member_remains_with_its_parameters(kind, member):
    how, expected = STORED[kind][member]
    owner = SOURCES.get(kind, getattr(pagebuddy, kind))
    found = inspect.getattr_static(owner, member)
    if how == "property":
        assert isinstance(found, property)
    elif expected is not None and (kind, member) not in SPELLED_OUT:
        there = parameters(getattr(found, "__func__", found))
        names = {name for name, _, _ in expected}
        # What was added since has a default, and is named or stands behind.
        added = [each for each in there if each[0] not in names and each[1] == "KEYWORD_ONLY"]
        there = [each for each in there if each not in added]
        assert there[: len(expected)] == expected
        added += there[len(expected) :]
        assert all(default is not None for _, _, default in added)
