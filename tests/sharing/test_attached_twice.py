"""An arena that a process attaches a second time, in another way."""

from __future__ import annotations

import os
import pickle

import pytest


@pytest.fixture(params=["named", "file"])
def made(request, silent, start, Arena, lock, name, tmp_path):
    """How another process made an arena: its path, and a function that attaches it by that."""
    if request.param == "named":
        create, path = (lambda: Arena.create(name, "1 MiB", lock=lock)), f"/dev/shm/{name}"
    else:
        path = tmp_path / "store"
        create = lambda: Arena.file(path, "1 MiB", lock=lock)  # noqa: E731

    def part(child):
        arena = create()
        child.say(arena.size)
        child.hear()

    assert start(part).hear() == str(1 << 20)
    return path, lambda: Arena.attach(name) if request.param == "named" else Arena.file(path)


def attached_by_descriptor(Arena, path):
    fd = os.open(path, os.O_RDWR)
    try:
        return Arena.attach(fd)
    finally:
        os.close(fd)


def test_what_was_attached_by_descriptor_gets_the_name_by_which_it_is_found(Arena, made):
    path, attach = made
    first = attached_by_descriptor(Arena, path)
    buffer = first.alloc(5)
    second = attach()
    assert second._attachment is first._attachment
    assert "anonymous" not in repr(second)
    second.flush()
    buffer.keep("kept")
    assert bytes(second["kept"].view) == bytes(buffer.view)
    assert first.unlink()
    assert not os.path.exists(path)


def test_a_handle_of_it_leads_to_its_name(Arena, made):
    path, attach = made
    first = attached_by_descriptor(Arena, path)
    second = attach()
    data = pickle.dumps(first.alloc(5))
    assert os.path.basename(path).encode() in data
    del first, second


def test_a_name_is_not_exchanged_for_another_one_that_is_as_good(silent, Arena, lock, name):
    first = Arena.create(name, "1 MiB", lock=lock)
    assert Arena.file(f"/dev/shm/{name}")._attachment.medium is first._attachment.medium
    assert attached_by_descriptor(Arena, f"/dev/shm/{name}")._attachment is first._attachment
    assert first._attachment.medium.place == name
