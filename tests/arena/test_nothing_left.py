"""A thousand failures of each kind leave no descriptor, no mapping and no file behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from pagebuddy import ArenaClosed, ArenaExists, ArenaNotFound, CorruptMetadata, OutOfPages

TRIES = 1000


def fail(act, error, left_behind):
    before = left_behind()
    for _ in range(TRIES):
        with pytest.raises(error):
            act()
    assert left_behind() == before


@pytest.mark.parametrize("kind", ["anonymous", "named", "file"])
@pytest.mark.parametrize(
    ("size", "options", "error"),
    [
        (0, {}, ValueError),
        (1 << 44, {}, ValueError),
        ("1 MiB", {"slots": 1}, ValueError),
        ("1 MiB", {"lock": "spin"}, ValueError),
        ("7 TiB", {"reserve": True}, OutOfPages),
        ("1 MiB", {"huge": "5 MiB"}, ValueError),
    ],
    ids=["nothing", "too large", "slots", "lock", "reserve", "huge"],
)
def test_making(make, kind, size, options, error, left_behind):
    fail(lambda: make[kind](size, **options), error, left_behind)


def test_a_name_that_is_taken(Arena, name, left_behind):
    arena = Arena.create(name, "64 KiB")
    fail(lambda: Arena.create(name, "64 KiB"), ArenaExists, left_behind)
    fail(lambda: Arena.open(name, "1 MiB"), ValueError, left_behind)
    assert [row.me for row in arena.processes()] == [True]


def test_attaching(Arena, name, path, left_behind):
    fail(lambda: Arena.attach(name), ArenaNotFound, left_behind)
    fail(lambda: Arena.file(path), ArenaNotFound, left_behind)
    path.write_bytes(b"x" * 10_000)
    path.chmod(0o600)
    fail(lambda: Arena.file(path, "1 MiB"), CorruptMetadata, left_behind)
    Path("/dev/shm", name).symlink_to(path)
    fail(lambda: Arena.attach(name), ValueError, left_behind)
    fail(lambda: Arena.attach(1 << 20), ValueError, left_behind)


def test_a_size_that_differs(Arena, path, left_behind):
    Arena.file(path, "64 KiB").close()
    fail(lambda: Arena.file(path, "1 MiB"), ValueError, left_behind)


def test_memory_that_will_not_do(Arena, left_behind):
    fail(lambda: Arena.over(bytes(10_000)), ValueError, left_behind)
    fail(lambda: Arena.over(bytearray(100)), ValueError, left_behind)


def test_buffers(arena, left_behind):
    before = arena.stats()
    fail(lambda: arena.alloc(arena.size + 1), OutOfPages, left_behind)
    fail(lambda: arena.alloc(9, align=3), ValueError, left_behind)
    fail(lambda: arena.alloc(9, keep=""), ValueError, left_behind)
    fail(lambda: arena["none"], KeyError, left_behind)
    fail(lambda: arena.buffer_at(1), ValueError, left_behind)
    assert arena.stats() == before
    arena.close()
    fail(lambda: arena.alloc(9), ArenaClosed, left_behind)


@pytest.mark.parametrize("lock", [None, "file"])
def test_a_thousand_that_come_and_go(Arena, name, path, lock, left_behind):
    before = left_behind()
    for _ in range(TRIES // 2):
        for arena in (
            Arena("64 KiB", lock=lock),
            Arena.create(name, "64 KiB", lock=lock),
            Arena.file(path, "64 KiB", lock=lock),
            Arena.over(bytearray(1 << 16)),
        ):
            arena.alloc(5).view[:] = b"hello"
            arena.unlink()
        del arena
    assert left_behind() == before
