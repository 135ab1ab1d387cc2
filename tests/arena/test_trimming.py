"""trim: it returns free memory to the system, and takes no page from an allocation."""

from __future__ import annotations

import threading

import pytest

from pagebuddy import OutOfPages
from pagebuddy.core.words import FIRST_NODE
from pagebuddy.sharing.words import (
    DONE,
    NO_PAGES,
    OP_TAKE_FREE,
    SLOT_PIECE,
    SLOT_STATE,
    SLOT_WANTED,
    SLOT_WORDS,
)

SIZE = 4 << 20

TRIMMING = """
arena = Arena.attach(int(sys.argv[1]))
say("ready")
while True:
    arena.trim()
"""

HOLDING_A_PIECE = """
from pagebuddy.core.words import FIRST_NODE
from pagebuddy.sharing.words import OP_TAKE_FREE
arena = Arena.attach(int(sys.argv[1]))
a = arena._open
request = a.request(node=FIRST_NODE, n_pages=3)
a.perform(request, OP_TAKE_FREE)
piece = a.made(request, 3 * arena.page_size)
say(arena.stats().used)
hear()
"""


def used_once(arena):
    """Use all pages once, so that trimming takes them out of use."""
    arena.alloc(arena.size).view[:] = b"\1" * arena.size


def grown_from_the_first_page(arena):
    """A buffer of all pages, made one page long: so it is the first."""
    buffer = arena.alloc(arena.size)
    assert buffer.resize(1)
    return buffer


def own_state(arena):
    a = arena._open
    return a.memory[a.layout.slots_at + a.figures["slot"] * SLOT_WORDS + SLOT_STATE]


def test_an_allocation_of_all_pages_succeeds_while_another_process_trims(Arena, start, effort):
    arena = Arena(SIZE)
    used_once(arena)
    other = start(TRIMMING, arena.fileno(), fds=(arena.fileno(),))
    assert other.hear() == "ready"
    for _ in range(effort.pick(100, 2000)):
        used_once(arena)
    other.kill()
    arena.reap()
    assert arena.stats().used == 0
    arena.verify()


def test_a_buffer_grows_to_all_pages_while_another_process_trims(Arena, start, effort):
    arena = Arena(SIZE)
    used_once(arena)
    other = start(TRIMMING, arena.fileno(), fds=(arena.fileno(),))
    assert other.hear() == "ready"
    for _ in range(effort.pick(100, 2000)):
        buffer = grown_from_the_first_page(arena)
        assert buffer.resize(arena.size)
        buffer.view[:] = b"\1" * arena.size
        del buffer
    other.kill()
    arena.reap()
    assert arena.stats().used == 0
    arena.verify()


def test_a_buffer_does_not_grow_beside_a_trim_that_does_not_continue_and_tells_it(Arena):
    arena = Arena(SIZE)
    used_once(arena)
    buffer = arena.alloc(1)
    a = arena._open
    request = a.request(node=FIRST_NODE, n_pages=3)
    assert a.perform(request, OP_TAKE_FREE) == DONE
    piece = a.made(request, 3 * arena.page_size)
    assert not buffer.resize(SIZE)
    piece.release()
    assert a.perform(a.request(), OP_TAKE_FREE) == NO_PAGES
    assert a.perform(a.request(), OP_TAKE_FREE) == DONE
    assert buffer.resize(SIZE)


def test_an_allocation_of_all_pages_succeeds_while_other_threads_trim(Arena, effort):
    arena = Arena(SIZE)
    used_once(arena)
    over = threading.Event()

    def trim():
        while not over.is_set():
            arena.trim()

    threads = [threading.Thread(target=trim) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(effort.pick(50, 1000)):
            used_once(arena)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert own_state(arena) & ~SLOT_WANTED == own_state(arena)
    assert own_state(arena) // SLOT_PIECE % (1 << 30) == 0
    arena.verify()


def test_an_allocation_fails_beside_a_trim_that_does_not_continue_and_tells_it(Arena):
    arena = Arena(SIZE)
    used_once(arena)
    a = arena._open
    request = a.request(node=FIRST_NODE, n_pages=3)
    assert a.perform(request, OP_TAKE_FREE) == DONE
    piece = a.made(request, 3 * arena.page_size)
    with pytest.raises(OutOfPages) as caught:
        arena.alloc(SIZE)
    assert caught.value.free == arena.n_pages - 3
    piece.release()
    # The trim sees that it is in the way, once.
    assert a.perform(a.request(), OP_TAKE_FREE) == NO_PAGES
    assert a.perform(a.request(), OP_TAKE_FREE) == DONE
    assert arena.alloc(SIZE).nbytes == SIZE


def test_a_killed_trim_is_reaped_with_its_pieces(Arena, start):
    arena = Arena(SIZE)
    used_once(arena)
    other = start(HOLDING_A_PIECE, arena.fileno(), fds=(arena.fileno(),))
    assert other.hear() == "3"
    other.kill()
    assert arena.alloc(SIZE).nbytes == SIZE
