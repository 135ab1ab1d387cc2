"""Attaching by name and by descriptor, in this process and in others."""

from __future__ import annotations

import copy
import os
import threading

import pytest

from pagebuddy import ArenaClosed, ArenaNotFound

VISIT = """
arena = Arena.attach(sys.argv[1]) if not sys.argv[1].isdigit() else Arena.attach(int(sys.argv[1]))
theirs = arena["theirs"]
say(bytes(theirs.view).decode(), arena.size, arena.stats().processes)
mine = arena.alloc(3, keep="mine")
mine.view[:] = b"hey"
say(mine.offset)
"""


@pytest.mark.parametrize("lock", [None, "file"])
@pytest.mark.parametrize("kind", ["anonymous", "named", "file"])
def test_another_process(make, kind, lock, name, start):
    arena = make[kind]("1 MiB", lock=lock)
    arena.alloc(5, keep="theirs").view[:] = b"hello"
    fd = arena.fileno()
    other = start(VISIT, name if kind == "named" else fd, fds=(fd,))
    assert other.hear() == "hello 1048576 2"
    offset = int(other.hear())
    assert other.end() == 0
    assert bytes(arena["mine"].view) == b"hey"
    assert arena["mine"].offset == offset
    arena.reap()
    assert [row.me for row in arena.processes()] == [True]
    arena.verify()


def test_an_object_more_for_the_same(Arena, name):
    first = Arena.create(name, "1 MiB")
    second, third = Arena.attach(name), Arena.attach(first.fileno())
    buffer = second.alloc(5)
    assert first.stats().used == third.stats().used == 1
    assert first.stats().processes == 1
    first.close()
    buffer.view[:] = b"hello"
    assert bytes(third.buffer_at(buffer.offset).view[:5]) == b"hello"


def test_a_descriptor_stays_the_callers(Arena):
    arena = Arena("1 MiB")
    fd = os.dup(arena.fileno())
    second = Arena.attach(fd)
    del arena, second
    again = Arena.attach(fd)
    os.close(fd)
    assert again.alloc(5).offset == 0


def test_an_anonymous_arena_ends_with_its_last_view(Arena, left_behind):
    before = left_behind()
    arena = Arena("1 MiB")
    view = arena.alloc(5).view
    del arena
    view[:] = b"hello"
    assert left_behind() != before
    del view
    assert left_behind() == before


def test_who_leaves_unlinks_nothing(Arena, name, start):
    arena = Arena.create(name, "1 MiB")
    for _ in range(3):
        assert start("Arena.attach(sys.argv[1]).alloc(5)", name).end() == 0
    assert arena.stats().used == 0
    del arena
    assert Arena.attach(name).size == 1 << 20


def test_unlinking(Arena, name, start):
    arena = Arena.create(name, "1 MiB")
    other = start("arena = Arena.attach(sys.argv[1]); say(1); hear(); say(arena.alloc(5))", name)
    assert other.hear() == "1"
    assert arena.unlink()
    assert not arena.unlink()
    with pytest.raises(
        ArenaNotFound, match=f"/dev/shm/{name} does not exist; create the arena first, or"
    ):
        Arena.attach(name)
    successor = Arena.create(name, "64 KiB")
    assert not arena.unlink()
    assert successor.size == 65536
    other.say()
    assert other.hear() == "<Buffer of 5 bytes at offset 0>"


def test_opening(Arena, name, path):
    with pytest.raises(ArenaNotFound, match="does not exist"):
        Arena.file(path)
    for opened in (lambda size: Arena.open(name, size), lambda size: Arena.file(path, size)):
        opened("1 MiB").alloc(5, keep="five")
        assert opened(1 << 20).keys() == ["five"]
        assert opened((1 << 20) - 4095).keys() == ["five"]
        with pytest.raises(ValueError, match=r"is an arena of 1048576 bytes, not of 2097152; ask"):
            opened("2 MiB")
        with pytest.raises(ValueError, match="size is 0"):
            opened(0)
    assert Arena.file(str(path)).size == 1 << 20


@pytest.mark.parametrize("there", [False, True])
def test_an_unknown_option_is_a_type_error(Arena, name, path, there):
    if there:
        Arena.create(name, "1 MiB")
        Arena.file(path, "1 MiB")
    for opened in (lambda: Arena.open(name, "1 MiB", colour=1), lambda: Arena.file(path, colour=1)):
        with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
            opened()


def test_two_who_open_at_once(Arena, name, start):
    program = "hear(); say(Arena.open(sys.argv[1], '1 MiB').alloc(5, keep=sys.argv[2]).nbytes)"
    others = [start(program, name, number) for number in range(6)]
    for other in others:
        other.say()
    assert [other.hear() for other in others] == ["5"] * 6
    assert [other.end() for other in others] == [0] * 6
    assert Arena.attach(name).keys() == list("012345")


def test_a_mutex_is_not_for_the_uncompiled(Arena, engine, name, start):
    if engine == "uncompiled":
        pytest.skip("it has no mutex to offer")
    Arena.create(name, "1 MiB")
    other = start(
        "os.environ['PAGEBUDDY_PURE'] = '1'\n"
        "os.execv(sys.executable, [sys.executable, '-c', 'import sys; from pagebuddy import Arena\\n"
        "try: Arena.attach(sys.argv[1])\\nexcept ValueError as error: print(error)', sys.argv[1]])",
        name,
    )
    assert other.hear() == (
        "this arena's lock is a mutex, which only the compiled engine supports; compile the engine, "
        "or create the arena with lock='file'"
    )


@pytest.mark.parametrize("kind", ["anonymous", "named", "file", "given"])
@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
def test_a_copy_is_another_object_for_the_same_attachment(Arena, make, kind, how):
    """It starts no thread or server: nothing is sent to another process."""
    arena = Arena.over(bytearray(1 << 20)) if kind == "given" else make[kind]("1 MiB")
    threads = threading.active_count()
    other = how(arena)
    assert type(other) is type(arena)
    assert other is not arena
    assert other._attachment is arena._attachment
    assert threading.active_count() == threads
    arena.close()
    assert other.alloc(5).nbytes == 5
    with pytest.raises(ArenaClosed):
        how(arena)
