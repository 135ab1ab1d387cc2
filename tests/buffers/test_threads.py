"""Views that threads hand to each other, and that end in any of them."""

import queue
import threading

import pytest

PATTERN = bytes(i * 7 % 251 for i in range(10_000))


@pytest.mark.usefixtures("_without_gc")
def test_a_view_ends_in_another_thread(arena, overwrite):
    handed, seen = queue.SimpleQueue(), []

    def take():
        view = handed.get()
        seen.append((overwrite(), bytes(view) == PATTERN))

    thread = threading.Thread(target=take)
    thread.start()
    buffer = arena.alloc(10_000)
    buffer.view[:] = PATTERN
    handed.put(buffer.view)
    buffer.release()
    del buffer
    thread.join()
    assert seen == [(61, True)]
    assert arena.stats().used == 0


@pytest.mark.usefixtures("_without_gc")
def test_many_threads_make_views_and_let_go(arena, overwrite):
    wrong = []

    def work(number):
        kept = []
        for turn in range(100):
            buffer = arena.alloc(1 + (turn * 1237 + number) % 10_000)
            view = buffer.view
            view[:] = bytes([number]) * len(view)
            buffer.release()
            kept = [*kept[-2:], view]
            wrong.extend(number for view in kept if set(view) != {number})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert arena.stats().used == 0
    assert overwrite() == 64
