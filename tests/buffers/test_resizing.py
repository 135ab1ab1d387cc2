"""A buffer is made shorter only where nobody can see it, whatever other threads do meanwhile."""

import copy
import os
import threading
import time
from contextlib import suppress

import pytest

from tests.locked import locked

PATTERN = bytes(i * 7 % 251 for i in range(10_000))


@pytest.fixture
def buffer(arena):
    """A buffer of three pages, full of a pattern."""
    buffer = arena.alloc(10_000)
    buffer.view[:] = PATTERN
    return buffer


@pytest.fixture
def resized(name, buffer):
    """A function: one thread resizes the buffer and waits for the lock, while this does something."""

    def resized(nbytes, meanwhile):
        answers = []

        def resize():
            try:
                answers.append(buffer.resize(nbytes))
            except (BufferError, ValueError) as refusal:
                answers.append(refusal)

        with locked(name):
            thread = threading.Thread(target=resize)
            thread.start()
            end = time.monotonic() + 10
            while not is_resizing():
                assert thread.is_alive()
                assert time.monotonic() < end, "two threads may resize it at a time"
            meanwhile()
        thread.join()
        return answers[0]

    def is_resizing():
        """Whether the thread got as far as that: then no other may resize."""
        try:
            buffer.resize(10_000)
        except BufferError:
            return True
        return False

    return resized


SEEN = {
    "view": lambda buffer: buffer.view,
    "slice": lambda buffer: buffer.view[5000:],
    "copy": copy.copy,
    "the same found by its offset": None,
}


@pytest.mark.parametrize("kind", SEEN)
def test_not_made_shorter_while_it_is_seen(arena, buffer, overwrite, kind):
    seen = SEEN[kind](buffer) if SEEN[kind] else arena.buffer_at(buffer.offset)
    for nbytes in (100, 5000):
        with pytest.raises(BufferError, match="release those first"):
            buffer.resize(nbytes)
    assert overwrite() == 61
    assert bytes(buffer.view) == PATTERN
    del seen
    assert buffer.resize(5000)
    assert overwrite() == 62
    assert bytes(buffer.view) == PATTERN[:5000]


def test_not_made_shorter_once_it_was_served(Arena, engine, buffer, overwrite):
    if engine == "uncompiled":
        pytest.skip("a Buffer is no buffer here")
    memoryview(buffer).release()
    with pytest.raises(BufferError):
        buffer.resize(100)


def test_made_longer_while_it_is_seen(arena, buffer, overwrite):
    view = buffer.view
    assert buffer.resize(20_000)
    buffer.view[10_000:] = bytes(10_000)
    buffer.release()
    del buffer
    assert overwrite() == 64 - 5
    assert bytes(view) == PATTERN
    del view


def test_no_view_is_made_while_it_is_made_shorter(buffer, resized, overwrite):
    seen = []

    def look():
        for take in (lambda: buffer.view, lambda: buffer.array(), lambda: copy.copy(buffer)):
            with pytest.raises(BufferError, match="shrinking"):
                seen.append(take())

    assert resized(100, look) is True
    assert seen == []
    assert overwrite() == 63
    assert bytes(buffer.view) == PATTERN[:100]


def test_views_are_made_while_it_is_made_longer(buffer, resized, overwrite):
    seen = []
    assert resized(20_000, lambda: seen.append(buffer.view)) is True
    assert overwrite() == 59
    assert bytes(seen[0]) == PATTERN
    assert len(buffer.view) == 20_000


@pytest.mark.parametrize(("nbytes", "free"), [(100, 64), (20_000, 64)])
def test_released_while_it_is_resized(arena, buffer, resized, overwrite, nbytes, free):
    assert resized(nbytes, buffer.release) in (True, False)
    assert overwrite() == free
    with pytest.raises(ValueError, match="released"):
        _ = buffer.view
    arena.verify()


@pytest.mark.soak  # the fork waits ten seconds for the lock
def test_a_child_forked_while_it_is_made_shorter_can_use_it(buffer, resized):
    children = []

    def fork():
        pid = os.fork()
        if pid == 0:
            with suppress(BaseException):
                whole = bytes(buffer.view) in (PATTERN, PATTERN[:100])
                if whole and bytes(buffer.array()[:90]) == PATTERN[:90] and buffer.resize(10_001):
                    os._exit(0)
            os._exit(1)
        children.append(pid)

    resized(100, fork)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
