"""Progress: what a process has started of a batch, in words that others read and change."""

from __future__ import annotations

import threading

import pytest


@pytest.fixture
def new_row(Arena):
    arena = Arena("1 MiB")
    words = arena.alloc(1024, zero=True).view.cast("Q")

    def row(number=0):
        return arena._open.progress(words, number)

    return row


def test_tasks_are_started_in_order_until_there_are_no_more(new_row):
    row, other = new_row(1), new_row(1)
    assert other.read() == (0, 0, 0)
    row.begin(70, 3)
    assert other.read() == (70, 0, 3)
    assert [row.start_next() for _ in range(4)] == [True, True, True, False]
    assert other.read() == (70, 3, 3)
    assert new_row(0).read() == (0, 0, 0)


def test_tasks_that_were_taken_back_are_not_started(new_row):
    row, other = new_row(), new_row()
    row.begin(1 << 40, 5)
    assert row.start_next()
    assert row.start_next()
    assert other.take_back() == (1 << 40, 2, 5)
    assert not row.start_next()
    assert other.take_back() == (1 << 40, 2, 2)
    row.begin((1 << 40) + 5, 1)
    assert row.start_next()


def test_a_row_without_tasks_has_none_to_take_back(new_row):
    assert new_row().take_back() == (0, 0, 0)
    assert not new_row().start_next()


def test_there_is_no_row_behind_the_last(new_row):
    with pytest.raises(ValueError, match="row is 16; there are 16"):
        new_row(16)


def test_each_task_is_started_or_taken_back_and_none_is_both(new_row, effort, engine):
    if engine == "uncompiled":
        pytest.skip("no word is changed by several processes or threads, uncompiled")
    row, other = new_row(), new_row()
    started, taken = set(), set()
    go_on = True

    def take():
        while go_on:
            first, n_started, n = other.take_back()
            taken.update(range(first + n_started, first + n))

    taker = threading.Thread(target=take)
    taker.start()
    number = 1
    try:
        for _ in range(effort.pick(300, 20_000)):
            row.begin(number, 50)
            for each in range(number, number + 50):
                if not row.start_next():
                    break
                started.add(each)
            number += 50
    finally:
        go_on = False
        taker.join()
    other.take_back()
    assert not started & taken
    assert started | taken == set(range(1, number))
