"""Buffers made longer and shorter in place, and what forbids it."""

from __future__ import annotations

import pytest

HOLD_TOO = """
arena = Arena.attach(int(sys.argv[1]))
buffer = arena.buffer_at(int(sys.argv[2]))
say(buffer.capacity)
hear()
"""


@pytest.fixture
def arena(Arena):
    return Arena("1 MiB")


def test_growing_into_free_pages(arena):
    buffer = arena.alloc(5000)
    buffer.view[:] = b"a" * 5000
    for nbytes in (5001, 8192, 8193, 100_000, "1 MiB"):
        assert buffer.resize(nbytes)
        assert buffer.nbytes == (1 << 20 if nbytes == "1 MiB" else nbytes)
        assert len(buffer.view) == len(buffer) == buffer.nbytes
        assert (buffer.offset, buffer.capacity) == (0, -(-buffer.nbytes // 4096) * 4096)
        assert bytes(buffer.view[:5000]) == b"a" * 5000
        buffer.view[-1] = 7
        arena.verify()
    assert arena.stats().used == 256


def test_growing_where_others_are(arena):
    first, second = arena.alloc(8192), arena.alloc(4096)
    low, high = sorted([first, second], key=lambda buffer: buffer.offset)
    before = bytes(arena._attachment.memory[arena._attachment.layout.holds_at :])
    assert low.resize(500_000) is False
    assert high.resize("2 MiB") is False
    assert bytes(arena._attachment.memory[arena._attachment.layout.holds_at :]) == before
    assert (first.nbytes, second.nbytes) == (8192, 4096)
    assert high.resize(low.capacity + high.capacity)
    arena.verify()


def test_shrinking_never_moves(arena):
    buffer = arena.alloc(100_000)
    buffer.view[:] = bytes(range(250)) * 400
    for nbytes in (99_999, 50_000, 4097, 4096, 1):
        assert buffer.resize(nbytes)
        assert (buffer.nbytes, buffer.offset) == (nbytes, 0)
        assert buffer.capacity == -(-nbytes // 4096) * 4096
        assert bytes(buffer.view) == (bytes(range(250)) * 400)[:nbytes]
        assert arena.stats().used_bytes == buffer.capacity
        arena.verify()


def test_nothing_to_do(arena):
    buffer = arena.alloc(5000)
    view = buffer.view
    assert buffer.resize(5000)
    assert buffer.resize(8192)
    assert buffer.resize(1 + 4096)
    assert len(view) == 5000


def seen_by(arena, buffer, start):
    """Everything that can see a buffer's pages besides the buffer object."""
    yield buffer.view
    yield buffer.view[100:]
    yield memoryview(buffer.view[:0])
    yield arena.buffer_at(buffer.offset)
    yield buffer.__copy__()
    yield buffer.array((10,), "u1")[:3]


def test_no_page_is_taken_from_who_sees_it(arena, start):
    buffer = arena.alloc(100_000)
    seers = seen_by(arena, buffer, start)
    while (seer := next(seers, None)) is not None:
        with pytest.raises(BufferError, match="others may see the pages that would be freed"):
            buffer.resize(5000)
        assert (buffer.nbytes, buffer.capacity) == (100_000, 102_400)
        # Fewer bytes of the same pages harm nobody, nor do more pages.
        assert buffer.resize(98_305)
        assert buffer.resize(102_401)
        del seer
        assert buffer.resize(100_000)
    assert buffer.resize(5000)
    arena.verify()


def test_no_page_is_taken_from_another_process(arena, start):
    buffer = arena.alloc(100_000)
    other = start(HOLD_TOO, arena.fileno(), buffer.offset, fds=(arena.fileno(),))
    assert other.hear() == "102400"
    with pytest.raises(BufferError, match="another process"):
        buffer.resize(5000)
    other.say()
    assert other.end() == 0
    arena.reap()
    assert buffer.resize(5000)


def test_no_page_is_taken_from_who_keeps(arena):
    buffer = arena.alloc(100_000, keep="it")
    with pytest.raises(BufferError):
        buffer.resize(5000)
    assert buffer.resize(200_000)
    assert arena["it"].nbytes == 200_000
    buffer.unkeep()
    assert buffer.resize(5000)


def test_no_page_is_taken_after_the_buffer_protocol_was_used(arena):
    buffer = arena.alloc(100_000)
    try:
        memoryview(buffer).release()
    except TypeError:
        pytest.skip("uncompiled, before Python 3.12, a buffer has none")
    with pytest.raises(BufferError, match="a consumer of the buffer protocol"):
        buffer.resize(5000)
    assert buffer.resize(200_000)


@pytest.mark.parametrize(
    ("nbytes", "error", "match"),
    [
        (0, ValueError, "nbytes is 0; it must be at least 1"),
        (-5, ValueError, "nbytes is -5; it must be at least 1"),
        ("much", ValueError, "nbytes is 'much'; write a number and a unit"),
        (1.5, TypeError, r"nbytes is 1.5; it must be a whole number of bytes"),
        (None, TypeError, "nbytes is None"),
    ],
)
def test_sizes_that_are_none(arena, nbytes, error, match):
    buffer = arena.alloc(5000)
    with pytest.raises(error, match=match):
        buffer.resize(nbytes)
    assert buffer.nbytes == 5000


def test_views_of_before_stay(arena):
    buffer = arena.alloc(5000)
    view = buffer.view
    view[:] = b"a" * 5000
    assert buffer.resize(10_000)
    assert len(view) == 5000
    buffer.release()
    del buffer
    assert arena.stats().used == 3
    assert bytes(view) == b"a" * 5000
    del view
    assert arena.stats().used == 0


def test_a_row_knows_its_length(arena):
    buffer = arena.alloc(5000, keep="it")
    assert buffer.resize(5001)
    assert arena["it"].nbytes == 5001
    assert next(arena.buffers()).nbytes == 5001


LENGTHEN = """
arena = Arena.attach(int(sys.argv[1]))
buffer = arena.buffer_at(int(sys.argv[2]))
say(buffer.resize(10 * 4096))
hear()
"""


def test_the_size_in_the_arena_counts(arena, start):
    buffer = arena.alloc(5 * 4096)
    other = start(LENGTHEN, arena.fileno(), buffer.offset, fds=(arena.fileno(),))
    assert other.hear() == "True"
    with pytest.raises(BufferError, match="another process"):
        buffer.resize(7 * 4096)
    # Neither the size that this object has, nor that of the arena, takes a page from the other.
    assert buffer.resize(buffer.nbytes)
    assert buffer.resize(10 * 4096)
    assert len(buffer.view) == buffer.capacity == 10 * 4096
    other.say()
    assert other.end() == 0
    arena.reap()
    for n in (7, 9, 10, 11, 11, 3):
        assert buffer.resize(n * 4096)
        assert len(buffer.view) == buffer.capacity == n * 4096
        assert arena.stats().used == n


@pytest.mark.parametrize("n", [5, 7, 9])
def test_the_only_owner_of_a_lengthened_buffer_can_shorten_it(arena, start, n):
    buffer = arena.alloc(5 * 4096)
    other = start(LENGTHEN, arena.fileno(), buffer.offset, fds=(arena.fileno(),))
    other.hear()
    other.say()
    assert other.end() == 0
    arena.reap()
    assert buffer.resize(n * 4096)
    assert len(buffer.view) == buffer.capacity == n * 4096
    assert arena.stats().used == n
    arena.verify()


def test_two_objects_for_the_same_pages_lengthen_them(arena):
    first = arena.alloc(4096)
    second = first.__copy__()
    assert first.resize(3 * 4096)
    assert second.resize(5 * 4096)
    assert first.resize(5 * 4096)
    assert len(first.view) == len(second.view) == 5 * 4096
    del second
    assert first.resize(4096)
    assert arena.stats().used == 1
