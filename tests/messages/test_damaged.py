"""A bit of a ring is flipped: each operation works, or raises CorruptMetadata. The arena stays sound.

The mutex belongs to libc, and is not changed. All bits in a soak, every day a sample.
"""

from __future__ import annotations

import random
from queue import Empty, Full

import pytest

from pagebuddy import CorruptMetadata, ShutDown
from pagebuddy.messages.layout import cells_at, region_at, rows_at
from pagebuddy.sharing.words import CELL_WORDS, MUTEX_WORDS, R_MUTEX, RING_WORDS, ROW_WORDS

SENT = ["one", "two" * 30, 3]


@pytest.fixture
def arena(Arena):
    return Arena("4 MiB", slots=48)


@pytest.fixture
def queue(arena):
    """A queue with messages: one was received, three wait."""
    queue = arena.queue("frames", maxsize=5, nbytes=4096)
    queue.put_many(["gone", *SENT])
    assert queue.get() == "gone"
    return queue


def bits_of(layout, row, effort):
    """Numbers of bits of a ring: of its words that are in use, and of its messages."""
    header = [at for at in range(RING_WORDS) if not 0 <= at - R_MUTEX < MUTEX_WORDS]
    rows = range(rows_at() + row * ROW_WORDS, rows_at() + (row + 1) * ROW_WORDS)
    cells = range(cells_at(layout.n_rows), cells_at(layout.n_rows) + 6 * CELL_WORDS)
    start = region_at(layout.n_rows, layout.n_cells)
    words = [*header, *rows, *cells, *range(start, start + 24)]
    bits = [64 * word + bit for word in words for bit in range(64)]
    n = effort.pick(300, len(bits))
    return bits if n == len(bits) else random.Random(effort.seed).sample(bits, n)


def test_an_operation_on_a_damaged_queue_works_or_raises(arena, queue, effort):
    view = queue._channel.buffer().view
    whole = view.tobytes()
    n_damaged = 0
    slot = queue._channel.attachment().figures["slot"]
    for bit in bits_of(queue._layout, slot, effort):
        view[bit // 8] ^= 1 << bit % 8
        n_damaged += use(calls_of(arena, queue))
        view[:] = whole
    assert n_damaged > effort.pick(30, 1000)
    arena.verify()
    assert [queue.get() for _ in SENT] == SENT


def test_a_damaged_message_with_buffers_is_refused(arena, effort):
    chance = random.Random(effort.seed)
    for _ in range(effort.pick(60, 2000)):
        queue = arena.queue(maxsize=5, nbytes=4096)
        before = arena.stats().used
        queue.put([arena.full(9, 1), arena.full(9, 2)])
        queue.put("next")
        start = region_at(queue._layout.n_rows, queue._layout.n_cells) * 8
        # Two references of 16 bytes, and the rest.
        at = start + chance.randrange(60)
        queue._channel.buffer().view[at] ^= 1 << chance.randrange(8)
        with pytest.raises(CorruptMetadata, match=r"checksum|ticket"):
            queue.get()
        assert queue.get() == "next"
        queue.close()
        arena.reap()
        assert arena.stats().tickets == 0
        del queue
        arena.reap()
        assert arena.stats().used < before
    arena.verify()


@pytest.mark.parametrize("policy", ["drop", "block"])
def test_an_operation_on_a_damaged_topic_works_or_raises(arena, effort, policy):
    topic = arena.topic("frames", history=3, policy=policy)
    messages = topic.subscribe()
    for thing in ["gone", *SENT]:
        topic.publish(thing)
        if thing == "gone":
            assert messages.get(timeout=0) == "gone"
    view = topic._channel.buffer().view
    whole = view.tobytes()
    n_damaged = 0
    for bit in bits_of(topic._layout, 0, effort):
        view[bit // 8] ^= 1 << bit % 8
        n_damaged += use(
            [
                lambda: arena.topic("frames").close(),
                lambda: check(messages.get(timeout=0.001)),
                lambda: topic.publish(4, timeout=0.001),
                lambda: messages.missed,
                lambda: check(messages.get(timeout=0)),
                lambda: topic.subscribe(replay=2).close(),
                topic._channel.end_what_the_dead_own,
                topic.unlink,
            ]
        )
        view[:] = whole
    assert n_damaged > effort.pick(30, 1000)
    arena.verify()
    assert [messages.get(timeout=0) for _ in SENT] == SENT


def calls_of(arena, queue):
    """All that can be done with a queue."""
    return (
        queue.qsize,
        queue.full,
        queue.empty,
        lambda: arena.queue("frames").close(),
        lambda: queue.put(4, timeout=0.001),
        lambda: check(queue.get(timeout=0.001)),
        queue.task_done,
        lambda: queue.join(timeout=0),
        lambda: [check(each) for each in queue.get_many(2, timeout=0)],
        lambda: queue.get(block=False, while_producers=True),
        queue._channel.end_what_the_dead_own,
        queue.unlink,
    )


def use(calls):
    """Call all; return whether any noticed the damage."""
    noticed = False
    for act in calls:
        try:
            act()
        except CorruptMetadata:
            noticed = True
        except (Full, Empty, TimeoutError, ValueError, ShutDown):
            # The last one: by a damaged row, a producer was there and is gone.
            pass
    return noticed


def check(message):
    assert message in [*SENT, 4], message
