"""Kept buffers: they outlive their holders, and are found by key."""

from __future__ import annotations

import pytest


def test_it_outlives_its_holder(arena):
    buffer = arena.alloc(5)
    buffer.view[:] = b"hello"
    assert not buffer.kept
    buffer.keep("greeting")
    assert buffer.kept
    offset = buffer.offset
    del buffer
    found = arena["greeting"]
    assert (bytes(found.view), found.offset, found.nbytes) == (b"hello", offset, 5)
    assert found.kept
    assert "greeting" in arena
    arena.verify()


def test_iterating_over_an_arena_yields_its_keys(arena):
    held = [arena.alloc(5, keep=key) for key in ("b", "a", True)]
    assert list(arena) == arena.keys() == ["a", "b"]
    for key in arena:
        assert arena[key].nbytes == 5
        # The keys are those of the beginning.
        arena.alloc(1, keep=f"{key} again").release()
    assert [*arena] == ["a", "a again", "b", "b again"]
    del held


def test_an_arena_without_keys_is_true_and_has_no_length(arena):
    assert list(arena) == []
    assert arena
    with pytest.raises(TypeError, match="len"):
        len(arena)
    with pytest.raises(TypeError, match=r"key is 0; it must be text"):
        arena[0]


@pytest.mark.parametrize("what", ["x" * 100, "", "ä", "a\0b", 5, True, None, b"it", ["it"], 1.5])
def test_what_cannot_be_a_key_is_not_in_an_arena(arena, what):
    arena.alloc(5, keep="it").release()
    arena.alloc(5, keep=True).release()
    assert what not in arena


def test_asking_for_a_key_takes_no_hold(arena):
    arena.alloc(5, keep="it").release()
    assert "it" in arena
    assert list(arena) == ["it"]
    assert [row.holders for row in arena.buffers()] == [()]


def test_it_ends_with_its_last_holder(arena):
    first = arena.alloc(5, keep="it")
    second = arena["it"]
    first.unkeep()
    assert "it" not in arena
    assert not second.kept
    del first
    assert arena.stats().used == 1
    del second
    assert arena.stats().used == 0
    arena.verify()


def test_unkeeping_what_nobody_holds(arena):
    arena.alloc(5, keep="it")
    arena["it"].unkeep()
    assert arena.stats().used == 0
    with pytest.raises(KeyError, match="'it'"):
        arena["it"]


def test_unkeeping_what_is_not_kept(arena):
    buffer = arena.alloc(5)
    buffer.unkeep()
    buffer.unkeep()
    assert not buffer.kept
    arena.verify()


def test_kept_again_it_is_as_long_as_it_is_now(arena):
    buffer = arena.alloc(5000, keep="it")
    longer = arena["it"]
    assert longer.resize(6000)
    for keep_again in (lambda: buffer.keep("it"), buffer.keep):
        assert arena["it"].nbytes == 6000
        keep_again()
        assert arena["it"].nbytes == buffer.nbytes == 5000
        longer.keep("it")
    arena.verify()


def test_found_by_its_place_it_is_as_long_as_it_was_kept(arena):
    buffer = arena.alloc(5000)
    assert arena.buffer_at(buffer.offset).nbytes == 8192
    buffer.keep()
    assert arena.buffer_at(buffer.offset).nbytes == 5000
    buffer.unkeep()
    assert arena.buffer_at(buffer.offset).nbytes == 8192


def test_a_kept_buffer_gets_another_key(arena):
    buffer = arena.alloc(5)
    buffer.keep("it")
    buffer.keep("it")
    buffer.keep("other")
    assert arena.keys() == ["other"]
    buffer.keep(True)
    assert arena.keys() == ["other"]
    arena.verify()
    arena.recover()
    assert arena.keys() == ["other"]
    buffer.unkeep()
    buffer.keep()
    buffer.keep(True)
    assert arena.keys() == []
    assert buffer.kept
    arena.verify()


def test_a_key_that_is_taken(arena):
    arena.alloc(5, keep="it")
    other = arena.alloc(6)
    with pytest.raises(ValueError, match="key 'it' is taken; choose another, or"):
        other.keep("it")
    assert not other.kept
    assert arena["it"].nbytes == 5


def test_replacing(arena):
    arena.alloc(5, keep="it")
    held = arena["it"]
    for nbytes in (6, 7):
        arena.alloc(nbytes).keep("it", replace=True)
        assert arena["it"].nbytes == nbytes
        assert arena.keys() == ["it"]
    assert not held.kept
    assert arena.stats().used == 2
    del held
    assert arena.stats().used == 1
    arena.verify()


def test_replacing_nothing(arena):
    arena.alloc(5).keep("it", replace=True)
    assert arena["it"].nbytes == 5


def test_replacing_where_the_directory_is_nearly_full(Arena):
    arena = Arena("4 MiB")
    for number in range(255):
        arena.alloc(1, keep=f"{number}")
    for nbytes in range(2, 40):
        arena.alloc(nbytes).keep("7", replace=True)
    assert arena["7"].nbytes == 39
    assert len(arena.keys()) == 255
    arena.verify()


def test_keys(arena):
    keys = ["b", "a", "k" * 47, "with space", "x/y", "\x01", "~"]
    for key in keys:
        arena.alloc(1, keep=key)
    arena.alloc(1, keep=True)
    assert arena.keys() == sorted(keys)
    for key in keys:
        arena[key].unkeep()
    assert arena.keys() == []
    assert arena.stats().kept == 1


def test_keys_that_begin_alike(arena):
    """Their words, all but the last, are the same."""
    keys = ["weights-of-the-first-layer-" + "x" * n for n in range(12)]
    for n, key in enumerate(keys):
        arena.alloc(n + 1, keep=key)
    assert [arena[key].nbytes for key in keys] == list(range(1, 13))
    for key in keys[::2]:
        arena[key].unkeep()
    assert [key in arena for key in keys] == [False, True] * 6
    arena.verify()


def test_no_key_is_not_a_key(arena):
    """Without a key it is found by nobody, and there is any number of it."""
    for _ in range(3):
        arena.alloc(1, keep=True)
    with pytest.raises(TypeError, match="key is True; it must be text"):
        arena[True]
    assert arena.stats().kept == 3
    rows = list(arena.buffers())
    assert [(row.kept, row.key, row.holders) for row in rows] == [(True, "", ())] * 3
    for row in rows:
        arena.buffer_at(row.offset).unkeep()
    assert arena.stats().used == 0


def test_the_bytes_that_were_asked_for(arena):
    arena.alloc(5000, keep="it")
    assert arena["it"].nbytes == 5000
    assert [row.nbytes for row in arena.buffers()] == [5000]


@pytest.mark.parametrize("kind", ["anonymous", "named", "file"])
def test_it_outlives_its_process(make, kind, start):
    arena = make[kind]("1 MiB")
    program = """
arena = Arena.attach(int(sys.argv[1]))
kept = arena.alloc(5, keep="it")
kept.view[:] = b"hello"
other = arena.alloc(5)
say("kept"); hear()
"""
    other = start(program, arena.fileno(), fds=(arena.fileno(),))
    assert other.hear() == "kept"
    assert arena.stats().used == 2
    other.kill()
    assert arena.reap() == 1
    assert arena.stats().used == 1
    assert bytes(arena["it"].view) == b"hello"
    arena.verify()
