"""Arguments that run code of the program, which does something to the very same buffer."""

import pytest


class Index:
    """A number that does something else first."""

    def __init__(self, number, first):
        self.number, self.first = number, first

    def __index__(self):
        self.first()
        return self.number


class Truth:
    """A truth value that does something else first."""

    def __init__(self, first):
        self.first = first

    def __bool__(self):
        self.first()
        return True


@pytest.fixture
def buffer(arena):
    """A buffer of three pages, with a pattern of its own."""
    buffer = arena.alloc(10_000)
    buffer.view[:] = b"\xaa" * 10_000
    return buffer


@pytest.fixture
def replaced(arena, buffer):
    """A function: releases the buffer; another one gets its pages."""
    others = []

    def replaced():
        buffer.release()
        others.append(arena.alloc(10_000))
        others[-1].view[:] = b"\xee" * 10_000

    replaced.others = others
    return replaced


def test_resize_that_is_released_by_its_argument_is_refused(arena, buffer, replaced, overwrite):
    view = buffer.view
    with pytest.raises(ValueError, match="released"):
        buffer.resize(Index(100_000, replaced))
    assert bytes(view) == b"\xaa" * 10_000
    assert arena.stats().used == 6
    del view
    assert overwrite() == 61
    assert bytes(replaced.others[0].view) == b"\xee" * 10_000


@pytest.mark.parametrize("argument", ["replace", "flush"])
def test_keep_that_is_released_by_its_argument_keeps_nothing(arena, buffer, replaced, argument):
    with pytest.raises(ValueError, match="released"):
        buffer.keep("key", **{argument: Truth(replaced)})
    assert arena.keys() == []
    assert replaced.others[0].offset == buffer.offset


def test_array_that_is_released_by_its_argument_is_refused(buffer, replaced):
    pytest.importorskip("numpy")
    with pytest.raises(ValueError, match="released"):
        buffer.array((Index(100, replaced), 2))


def test_array_is_of_the_size_that_its_argument_left(arena, buffer, overwrite):
    pytest.importorskip("numpy")
    with pytest.raises(ValueError, match="the buffer has 100"):
        buffer.array(Index(10_000, lambda: buffer.resize(100)))
    array = buffer.array(Index(90, lambda: buffer.resize(90)))
    assert overwrite() == 63
    assert bytes(array) == b"\xaa" * 90


def test_resize_within_resize(buffer, overwrite):
    assert buffer.resize(Index(100, lambda: buffer.resize(20_000)))
    assert (buffer.nbytes, buffer.capacity) == (100, 4096)
    assert overwrite() == 63
    assert bytes(buffer.view) == b"\xaa" * 100


def test_a_key_that_lies_about_its_length_is_refused(arena, buffer):
    class Key(str):
        def __len__(self):
            return 5

        def encode(self, *_):
            return b""

    with pytest.raises(ValueError, match="47"):
        buffer.keep(Key("k" * 100))
    buffer.keep(Key("short"))
    assert arena.keys() == ["short"]
    buffer.unkeep()
