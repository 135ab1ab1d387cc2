"""Sparse arenas: what is not touched costs nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def touched(arena):
    return os.fstat(arena.fileno()).st_blocks * 512


@pytest.mark.parametrize("kind", ["anonymous", "named", "file"])
def test_64_gib(make, kind, start):
    arena = make[kind]("64 GiB")
    assert touched(arena) < 1 << 20
    assert arena.size == 64 << 30
    stats = arena.stats()
    assert (stats.free_bytes, stats.largest_free_bytes) == (64 << 30, 64 << 30)
    buffer = arena.alloc("1 GiB")
    buffer.view[-1] = 1
    program = (
        "a = Arena.attach(int(sys.argv[1])); say(a.size, a.buffer_at(int(sys.argv[2])).nbytes)"
    )
    other = start(program, arena.fileno(), buffer.offset, fds=(arena.fileno(),))
    assert other.hear() == f"{64 << 30} {1 << 30}"
    assert touched(arena) < 1 << 20


def test_64_gib_in_one_piece(Arena, engine):
    if engine == "uncompiled":
        pytest.skip("uncompiled it takes minutes")
    arena = Arena("64 GiB")
    everything = arena.alloc("64 GiB")
    everything.view[0] = everything.view[-1] = 1
    assert everything.nbytes == 64 << 30


def test_zeros_that_nobody_touches(Arena):
    np = pytest.importorskip("numpy")
    arena = Arena("64 GiB")
    zeros = arena.zeros((1 << 30,), np.float32)
    assert zeros[-1] == 0
    assert touched(arena) < 1 << 20


@pytest.mark.alone
@pytest.mark.parametrize("kind", ["anonymous", "named", "file"])
def test_one_descriptor_and_one_mapping(make, kind, tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    arena = make[kind]("64 MiB")
    arrays = [arena.alloc(4096) for _ in range(1000)]
    assert len(os.listdir("/proc/self/fd")) - before <= 2
    inode = str(os.fstat(arena.fileno()).st_ino)
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    spans = [line[0].split("-") for line in lines if line[4] == inode]
    sizes = sorted(int(end, 16) - int(begin, 16) for begin, end in spans)
    assert len(arrays) == 1000
    assert sizes[-1] > 64 << 20
    assert sum(sizes[:-1]) <= 8192
