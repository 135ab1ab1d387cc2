"""Descriptors that are no arena's."""

from __future__ import annotations

import os

import pytest

from pagebuddy import CorruptMetadata


def test_descriptors_that_will_not_do(Arena, tmp_path, left_behind):
    (tmp_path / "text").write_text("x" * 10_000)
    before = left_behind()
    reading = os.open(tmp_path / "text", os.O_RDONLY)
    writing = os.open(tmp_path / "text", os.O_RDWR)
    folder = os.open(tmp_path, os.O_RDONLY)
    null = os.open("/dev/null", os.O_RDWR)
    memory = os.memfd_create("text")
    os.ftruncate(memory, 8192)
    for fd, error, match in [
        (-1, ValueError, "fd is -1; it must be at least 0"),
        (
            1 << 20,
            ValueError,
            r"not open in this process; pass a descriptor that arena.fileno\(\) returned",
        ),
        (1 << 40, ValueError, "not open in this process"),
        (reading, ValueError, "not open for both reading and writing; open it with O_RDWR"),
        (folder, ValueError, "is not a regular file"),
        (null, ValueError, "is not a regular file"),
        (writing, CorruptMetadata, "starts with b'PBARENA1'"),
    ]:
        with pytest.raises(error, match=match):
            Arena.attach(fd)
    with pytest.raises((ValueError, CorruptMetadata)):
        Arena.attach(memory)
    for fd in (reading, writing, folder, null, memory):
        os.close(fd)
    assert left_behind() == before


def test_a_descriptor_that_was_closed_under_it(Arena, start):
    """Nobody is taken for dead through a descriptor that is another file's by now."""
    program = """
arena = Arena("1 MiB")
kept = arena.alloc(5)
os.dup2(os.open("/dev/null", os.O_RDWR), arena.fileno())
say(arena.alloc(5, align=8192).nbytes, arena.reap(), arena.stats().processes)
"""
    other = start(program)
    assert other.hear() == "5 0 1"
    assert other.end() == 0
