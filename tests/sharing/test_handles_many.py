"""The maximum number of handles, and handles that are never claimed."""

from __future__ import annotations

import math
import pickle

import pytest

from pagebuddy.errors import OutOfTickets, StaleHandle
from pagebuddy.sharing.joining.sending import claim

MOST_OF_ONE = 65_535


def handle_of(buffer):
    return buffer.__reduce__()[1][0]


def test_a_full_ticket_table_raises_out_of_tickets(arena):
    buffers = [arena.alloc(1) for _ in range(4)]
    n_tickets = arena._attachment.layout.n_tickets
    handles = [handle_of(buffers[i % 4]) for i in range(n_tickets)]
    for _ in range(2):
        with pytest.raises(OutOfTickets, match=f"the arena has {n_tickets} tickets"):
            pickle.dumps(buffers[0])
    assert arena.stats().tickets == n_tickets
    arena.verify()
    claim(handles.pop(17))
    handles.append(handle_of(buffers[1]))
    with pytest.raises(OutOfTickets):
        pickle.dumps(buffers[0])
    for data in handles:
        claim(data)
    assert arena.stats().tickets == 0
    del buffers
    assert arena.stats().used == 0


def test_one_buffer_can_have_65535_tickets(silent, Arena, lock, effort):
    if effort.level != "hunt" and "uncompiled" in Arena._engine.__name__:
        pytest.skip("takes minutes uncompiled; PAGEBUDDY_EFFORT=hunt")
    arena = Arena("8 GiB", lock=lock)
    assert arena._attachment.layout.n_tickets > MOST_OF_ONE
    buffer, other = arena.alloc(1), arena.alloc(1)
    handles = [handle_of(buffer) for _ in range(MOST_OF_ONE)]
    with pytest.raises(OutOfTickets, match="65535 for one buffer"):
        handle_of(buffer)
    claim(handle_of(other))
    assert next(arena.buffers()).tickets == MOST_OF_ONE
    arena.verify()
    claim(handles.pop())
    handles.append(handle_of(buffer))
    assert arena.reap(unclaimed_after=0) == 0
    with pytest.raises(StaleHandle):
        claim(handles[0])
    assert arena.stats().tickets == 0
    arena.verify()


def test_tickets_of_a_dead_sender_end_only_by_age(arena, start):
    n_tickets = arena._attachment.layout.n_tickets

    def part(child):
        buffer = arena.alloc(1)
        child.say(sum(len(handle_of(buffer)) > 0 for _ in range(n_tickets)))

    child = start(part)
    assert child.hear() == str(n_tickets)
    child.wait()
    buffer = arena.alloc(1)
    # Tickets belong to the arena, not to the sender: its death ends none of them.
    with pytest.raises(OutOfTickets):
        handle_of(buffer)
    assert arena.stats().tickets == n_tickets
    arena.reap(unclaimed_after=0)
    assert arena.stats().used == 1
    claim(handle_of(buffer))


def test_unclaimed_handles_end_by_age(arena):
    data = pickle.dumps(arena.alloc(4096))
    for age in (3600, 1e18, 1e300, float("inf")):
        arena.reap(unclaimed_after=age)
        assert arena.stats().used == 1
    arena.reap(unclaimed_after=0)
    assert arena.stats().used == 0
    with pytest.raises(StaleHandle, match="nobody claimed it in time"):
        pickle.loads(data)


def test_a_handle_from_the_future_counts_as_new(arena):
    words, layout = arena._attachment.memory, arena._attachment.layout
    data = pickle.dumps(arena.alloc(4096))
    words[layout.tickets_at + 4] += 1 << 40
    arena.reap(unclaimed_after=1)
    assert arena.stats().tickets == 1
    arena.reap(unclaimed_after=0)
    assert arena.stats().tickets == 0
    with pytest.raises(StaleHandle):
        pickle.loads(data)


def test_a_buffer_stays_with_its_holders_when_its_tickets_end(arena):
    buffer = arena.alloc(4096)
    buffer.view[:5] = b"hello"
    pickle.dumps(buffer)
    arena.reap(unclaimed_after=0)
    assert bytes(buffer.view[:5]) == b"hello"
    assert arena.stats().n_spans == 1


@pytest.mark.parametrize(
    "age", [math.inf, 1e300, 10**400, 2**64 / 1000], ids=lambda age: repr(age)[:9]
)
def test_a_huge_age_ends_no_handle(arena, age):
    data = pickle.dumps(arena.alloc(4096))
    assert arena.reap(unclaimed_after=age) == 0
    assert pickle.loads(data).nbytes == 4096


@pytest.mark.parametrize(("age", "error"), [(-1, ValueError), ("5", TypeError), ([], TypeError)])
def test_an_invalid_age_is_refused(arena, age, error):
    data = pickle.dumps(arena.alloc(4096))
    with pytest.raises(error, match="unclaimed_after"):
        arena.reap(unclaimed_after=age)
    assert pickle.loads(data).nbytes == 4096
