"""Making arenas: each kind, its size, and what may be chosen about it."""

from __future__ import annotations

import os
import stat

import pytest

from pagebuddy import ArenaExists, OutOfPages

KINDS = ["anonymous", "named", "file"]
each_kind = pytest.mark.parametrize("kind", KINDS)


def test_an_arena_has_what_was_asked_for(arena):
    assert arena.page_size == 4096
    assert arena.size == arena.n_pages * 4096
    assert not arena.closed
    buffer = arena.alloc(arena.size)
    buffer.view[0] = buffer.view[-1] = 7
    assert arena.stats().free == 0
    del buffer
    assert arena.stats().free == arena.n_pages
    arena.verify()


@each_kind
@pytest.mark.parametrize(
    ("size", "n_bytes"),
    [
        (1, 4096),
        (4096, 4096),
        (4097, 8192),
        ("64 KiB", 65536),
        ("1.5MiB", 3 << 19),
        ("5000 bytes", 8192),
        ("4097", 8192),
        ("1 mib", 1 << 20),
    ],
)
def test_sizes(make, kind, size, n_bytes):
    arena = make[kind](size)
    assert arena.size == n_bytes
    assert arena.alloc(n_bytes).capacity == n_bytes


@each_kind
@pytest.mark.parametrize("page_size", [64, 512, 4096, 65536, 1 << 21])
def test_page_sizes(make, kind, page_size):
    arena = make[kind](3 * page_size + 1, page_size=page_size)
    assert (arena.page_size, arena.n_pages) == (page_size, 4)
    first, second = arena.alloc(page_size + 1), arena.alloc(1)
    assert sorted([first.offset, second.offset])[0] == 0
    assert first.capacity == 2 * page_size
    first.view[:] = b"a" * (page_size + 1)
    second.view[:] = b"b"
    assert bytes(first.view) == b"a" * (page_size + 1)
    arena.verify()


@pytest.mark.parametrize("max_order", [0, 1, 5, 31])
def test_orders(Arena, max_order):
    """However small the blocks are, what is free in one run is had in one piece."""
    arena = Arena("1 MiB", max_order=max_order)
    assert len(arena.stats().free_blocks) == max_order + 1
    assert arena.alloc("1 MiB").nbytes == 1 << 20
    arena.verify()


def test_an_order_that_is_not_asked_for(Arena):
    assert len(Arena(5 * 4096).stats().free_blocks) == 3
    assert len(Arena("2 GiB").stats().free_blocks) == 19


@each_kind
def test_what_it_says_of_itself(make, kind):
    spelt = {"anonymous": "anonymous memory", "named": "named memory", "file": "a file"}[kind]
    arena = make[kind]("1 MiB")
    assert repr(arena) == f"<Arena of 1 MiB in pages of 4 KiB, {spelt}>"
    arena.close()
    assert repr(arena) == "<Arena, closed>"


@each_kind
def test_lock_by_the_file(make, kind):
    arena = make[kind]("1 MiB", lock="file")
    buffer = arena.alloc(5)
    assert arena.stats().used == 1
    del buffer
    assert arena.stats().used == 0


def test_lock_by_a_mutex(Arena, engine):
    if engine == "compiled":
        assert Arena("1 MiB", lock="mutex").alloc(5).offset == 0
        return
    with pytest.raises(ValueError, match=r"only the compiled engine.*; use lock='file'"):
        Arena("1 MiB", lock="mutex")


@each_kind
@pytest.mark.parametrize("option", ["reserve", "populate"])
def test_pages_that_are_had_at_once(make, kind, option):
    plain, backed = Blocks(make[kind]("4 MiB")), None
    if kind != "anonymous":
        plain.unlink()
    backed = Blocks(make[kind]("4 MiB", **{option: True}))
    assert plain.n_bytes < 1 << 20
    assert backed.n_bytes >= 4 << 20
    assert bytes(backed.arena.alloc(4096).view) == bytes(4096)


class Blocks:
    """An arena, and how much of its file is backed."""

    def __init__(self, arena):
        self.arena = arena
        self.n_bytes = os.fstat(arena.fileno()).st_blocks * 512
        self.unlink = arena.unlink


@each_kind
@pytest.mark.parametrize("option", ["reserve", "populate"])
def test_more_than_there_is(make, kind, option, left_behind):
    before = left_behind()
    with pytest.raises(OutOfPages, match="ask for less") as caught:
        make[kind]("7 TiB", **{option: True})
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.requested > caught.value.free
    assert left_behind() == before


@pytest.mark.parametrize(
    ("kind", "huge", "match"),
    [
        ("named", "2 MiB", "named memory does not support huge='2 MiB'; it supports"),
        ("anonymous", "5 MiB", "huge is 5120 KiB; this machine has"),
        ("anonymous", "often", "huge is 'often'; it must be None, 'transparent' or a size"),
    ],
)
def test_large_pages_that_cannot_be(make, kind, huge, match, left_behind):
    before = left_behind()
    with pytest.raises(ValueError, match=match):
        make[kind]("4 MiB", huge=huge)
    assert left_behind() == before


@pytest.mark.parametrize("mode", [None, 0o600, 0o640, 0o664])
@pytest.mark.parametrize("kind", ["named", "file"])
def test_modes(make, kind, mode):
    arena = make[kind]("64 KiB", mode=mode)
    assert stat.S_IMODE(os.fstat(arena.fileno()).st_mode) == (0o600 if mode is None else mode)


@pytest.mark.parametrize("mode", [0o666, 0o700, 0o400, 0, 0o1600])
@pytest.mark.parametrize("kind", ["named", "file"])
def test_modes_that_are_refused(make, kind, mode, left_behind):
    before = left_behind()
    with pytest.raises(
        ValueError, match=f"mode is {mode:#o}; the owner must be able to read and write"
    ):
        make[kind]("64 KiB", mode=mode)
    assert left_behind() == before


def test_a_name_that_is_taken(Arena, name):
    first = Arena.create(name, "1 MiB")
    first.alloc(5, keep="five")
    with pytest.raises(ArenaExists, match=f"{name} exists; attach to it, open it, or choose"):
        Arena.create(name, "1 MiB")
    assert first.keys() == ["five"]
    assert first.unlink()
    assert Arena.create(name, "1 MiB").keys() == []
