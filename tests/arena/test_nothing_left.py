"""Many failures of each kind leave no descriptor, no mapping and no file behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from pagebuddy import (
    ArenaClosed,
    ArenaExists,
    ArenaNotFound,
    CorruptMetadata,
    OutOfPages,
    OutOfSlots,
)
from pagebuddy.sharing.system import lease
from pagebuddy.sharing.words import SLOT_STATE, SLOT_WORDS
from pagebuddy.testing.crash import Budget, engine_of_the_mortal


@pytest.fixture
def tries(effort):
    return effort.pick(30, 1000, 1000)


@pytest.fixture
def fail(left_behind, tries):
    """How to run something many times: each time it fails in the same way, and then all is as before."""

    def fail(act, error):
        before = left_behind()
        for _ in range(tries):
            with pytest.raises(error):
                act()
        assert left_behind() == before
        # An error that somebody keeps, for a report perhaps, keeps nothing of what failed.
        kept = []
        for _ in range(3):
            with pytest.raises(error) as caught:
                act()
            kept.append(caught)
        assert left_behind() == before

    return fail


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
def test_making(make, kind, size, options, error, fail):
    if kind == "file" and "huge" in options:
        error = TypeError  # it is not an option of files
    fail(lambda: make[kind](size, **options), error)


def test_a_name_that_is_taken(Arena, name, fail):
    arena = Arena.create(name, "64 KiB")
    fail(lambda: Arena.create(name, "64 KiB"), ArenaExists)
    fail(lambda: Arena.open(name, "1 MiB"), ValueError)
    assert [row.me for row in arena.processes()] == [True]


def test_attaching(Arena, name, path, fail):
    fail(lambda: Arena.attach(name), ArenaNotFound)
    fail(lambda: Arena.file(path), ArenaNotFound)
    path.write_bytes(b"x" * 10_000)
    path.chmod(0o600)
    fail(lambda: Arena.file(path, "1 MiB"), CorruptMetadata)
    Path("/dev/shm", name).symlink_to(path)
    fail(lambda: Arena.attach(name), ValueError)
    fail(lambda: Arena.attach(1 << 20), ValueError)


def test_a_size_that_differs(Arena, path, fail):
    Arena.file(path, "64 KiB").close()
    fail(lambda: Arena.file(path, "1 MiB"), ValueError)


def test_a_file_that_was_changed(Arena, path, fail):
    Arena.file(path, "64 KiB").close()
    whole = path.read_bytes()
    for changed in (whole[:-4096], whole[:50] + b"x" + whole[51:]):
        path.write_bytes(changed)
        fail(lambda: Arena.file(path), CorruptMetadata)


def test_all_slots_taken(Arena, name, fail):
    arena = Arena.create(name, "64 KiB", lock="file")
    words, layout = arena._attachment.memory, arena._attachment.layout
    # Whoever has a lease is alive, so each slot is taken by one that this process knows nothing of.
    leases = [lease.take(arena.fileno(), slot) for slot in range(2, layout.n_slots)]
    for slot in range(2, layout.n_slots):
        words[layout.slots_at + slot * SLOT_WORDS + SLOT_STATE] = 1 << 63
    other = type("Other", (Arena,), {"_engine": engine_of_the_mortal(Budget())})
    fail(lambda: other.attach(name), OutOfSlots)
    for taken in leases:
        taken.release()


def test_memory_that_will_not_do(Arena, fail):
    fail(lambda: Arena.over(bytes(10_000)), ValueError)
    memory = bytearray(100)
    fail(lambda: Arena.over(memory), ValueError)
    with pytest.raises(ValueError, match="give at least") as caught:
        Arena.over(memory)
    memory.clear()
    assert caught.value


def test_buffers(arena, fail):
    before = arena.stats()
    fail(lambda: arena.alloc(arena.size + 1), OutOfPages)
    fail(lambda: arena.alloc(9, align=3), ValueError)
    fail(lambda: arena.alloc(9, keep=""), ValueError)
    fail(lambda: arena["none"], KeyError)
    fail(lambda: arena.buffer_at(1), ValueError)
    assert arena.stats() == before
    arena.close()
    fail(lambda: arena.alloc(9), ArenaClosed)


@pytest.mark.parametrize("lock", [None, "file"])
def test_many_that_come_and_go(Arena, name, path, lock, left_behind, tries):
    before = left_behind()
    for _ in range(tries // 2):
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
