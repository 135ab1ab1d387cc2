"""Listing what an arena's words contain."""

from __future__ import annotations

import gc
import pickle

import pytest

from pagebuddy.sharing.joining.listing import BufferRow, holders_in
from pagebuddy.sharing.words import hold_bit, hold_word

PAGE = 4096


@pytest.mark.parametrize("n_slots", [48, 112, 176])
def test_each_holder_is_listed_by_its_bit(n_slots):
    n_words = hold_word(n_slots - 1) + 1
    for slots in [(), *((slot,) for slot in range(1, n_slots)), tuple(range(1, n_slots, 3))]:
        words = [0] * n_words
        for slot in slots:
            words[hold_word(slot)] |= hold_bit(slot)
        assert tuple(holders_in(words, n_slots)) == slots


def test_keeping_and_tickets_are_not_listed_as_holders():
    assert list(holders_in([0xFFFF << 48 | 1], 48)) == []
    assert list(holders_in([0b111], 2)) == [1]


def test_rows_are_as_their_class_makes_them(Arena, silent):
    """The compiled engine does not call the class."""
    arena = Arena("1 MiB")
    plain, kept, named, sent = (arena.alloc(n * 1000) for n in (1, 5, 9, 13))
    kept.keep(True)
    named.keep("a name")
    handle = pickle.dumps(sent)
    rows = list(arena.buffers())
    assert [row.offset for row in rows] == [at.offset for at in (plain, kept, named, sent)]
    assert [row.n_pages for row in rows] == [1, 2, 3, 4]
    assert [row.nbytes for row in rows] == [PAGE, 5000, 9000, 4 * PAGE]
    assert [row.kept for row in rows] == [False, True, True, False]
    assert [row.key for row in rows] == [None, "", "a name", None]
    assert [row.kind for row in rows] == [None, "buffer", "buffer", None]
    assert [row.kept_at is None for row in rows] == [True, False, False, True]
    assert [row.tickets for row in rows] == [0, 0, 0, 1]
    for row in rows:
        assert type(row) is BufferRow
        assert row == BufferRow(**row.as_dict()) == pickle.loads(pickle.dumps(row))
        with pytest.raises(AttributeError, match="does not change"):
            row.key = "another"
    pickle.loads(handle)


@pytest.mark.parametrize("slots", [48, 112])
def test_each_row_has_the_holders_of_its_own_buffer(Arena, silent, start, slots):
    arena = Arena("1 MiB", slots=slots)
    buffers = [arena.alloc(PAGE) for _ in range(7)]
    offsets = sorted(buffer.offset for buffer in buffers)
    # A child holds what its parent held.
    other = start(lambda child: child.hear())
    assert [(row.offset, row.holders) for row in arena.buffers()] == [
        (at, (1, 2)) for at in offsets
    ]
    left = {buffer.offset for buffer in buffers[::2]}
    del buffers[1::2]
    assert [(row.offset, row.holders) for row in arena.buffers()] == [
        (at, (1, 2) if at in left else (2,)) for at in offsets
    ]
    other.say("end")
    assert other.wait() == 0


def test_a_row_says_what_is_true_when_the_walk_reaches_it(Arena, silent):
    """The directory is read before the first row."""
    arena = Arena("2 MiB")
    buffers = [arena.alloc(10) for _ in range(400)]
    last = max(buffers, key=lambda buffer: buffer.offset)
    last.keep("a name")
    rows = arena.buffers()
    assert next(rows).key is None
    last.unkeep()
    *_, row = rows
    assert (row.offset, row.kept, row.key, row.nbytes) == (last.offset, False, None, PAGE)


def test_the_garbage_collector_does_not_visit_rows(Arena, silent, engine):
    """Otherwise most of the time for a list of a million rows would be spent on its collections."""
    if engine == "uncompiled":
        pytest.skip("an object that Python code makes is tracked")
    arena = Arena("1 MiB")
    buffer = arena.alloc(10, keep="a name")
    (row,) = arena.buffers()
    assert row.offset == buffer.offset
    assert not gc.is_tracked(row)
