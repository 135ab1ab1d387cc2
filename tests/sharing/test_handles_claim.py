"""Valid handles: small, claimed once, by any process, at any time."""

from __future__ import annotations

import copy
import pickle
import sys
import threading

import pytest

from pagebuddy.errors import StaleHandle
from pagebuddy.sharing.joining.attaching import known_by_id
from pagebuddy.sharing.joining.sending import claim, withdraw

PATTERN = bytes(range(256)) * 16


@pytest.fixture
def buffer(arena):
    buffer = arena.alloc(len(PATTERN))
    buffer.view[:] = PATTERN
    return buffer


def test_a_handle_is_under_150_bytes(buffer, silent, Arena, lock, name):
    assert len(pickle.dumps(buffer)) < 150
    with Arena.create(name, "1 MiB", lock=lock) as named:
        # Enough handles that some contain many bytes for which older protocols have no short form.
        for protocol in [*range(pickle.HIGHEST_PROTOCOL + 1)] * 50:
            one = named.alloc(1)
            for data in pickle.dumps(one, protocol), pickle.dumps(buffer, protocol):
                assert len(data) < 150
                pickle.loads(data)


def test_a_handle_as_text_is_claimed_once_and_refused_when_changed(arena, buffer):
    data = pickle.dumps(buffer, 0)
    text = data.decode("latin-1")
    with pytest.raises(StaleHandle, match="cut or changed"):
        claim("\u1234" + text)
    with pytest.raises(StaleHandle, match="cut or changed"):
        claim("")
    assert arena.stats().tickets == 1
    assert bytes(pickle.loads(data).view) == PATTERN
    with pytest.raises(StaleHandle):
        pickle.loads(data)


def test_the_sender_can_claim_its_own_handle(arena, buffer):
    again = pickle.loads(pickle.dumps(buffer))
    assert (again.offset, again.nbytes, bytes(again.view)) == (0, len(PATTERN), PATTERN)
    again.view[0] = 99
    assert buffer.view[0] == 99
    assert arena.stats().tickets == 0
    del buffer
    # The fixture refers to it too.
    assert arena.stats().n_spans == 1


def test_a_claimed_buffer_has_the_requested_size(arena):
    buffer = pickle.loads(pickle.dumps(arena.alloc(5)))
    assert (buffer.nbytes, buffer.capacity) == (5, 4096)


def test_another_process_can_claim_a_handle(arena, start):
    def part(child):
        child.hear()
        claimed = pickle.loads(bytes.fromhex(child.hear()))
        child.say(bytes(claimed.view) == PATTERN)
        child.hear()
        child.say(bytes(claimed.view) == PATTERN)

    child = start(part)
    buffer = arena.alloc(len(PATTERN))
    buffer.view[:] = PATTERN
    child.say("go")
    child.say(pickle.dumps(buffer).hex())
    assert child.hear() == "True"
    del buffer
    assert arena.stats().tickets == 0
    assert arena.stats().n_spans == 1
    taken = arena.alloc(arena.stats().largest_free * arena.page_size)
    taken.view[:] = b"\xff" * taken.nbytes
    child.say("look")
    assert child.hear() == "True"


def test_a_handle_can_be_claimed_after_the_sender_died(arena, start):
    def part(child):
        buffer = arena.alloc(len(PATTERN))
        buffer.view[:] = PATTERN
        child.say(pickle.dumps(buffer).hex())

    child = start(part)
    data = bytes.fromhex(child.hear())
    child.wait()
    assert arena.reap() == 1
    row = next(arena.buffers())
    assert (row.holders, row.tickets) == ((), 1)
    claimed = pickle.loads(data)
    assert bytes(claimed.view) == PATTERN
    del claimed
    assert arena.stats().used == 0


def test_an_unclaimed_handle_keeps_the_buffer(arena):
    data = pickle.dumps(arena.alloc(arena.size))
    assert (arena.stats().free, arena.stats().tickets) == (0, 1)
    with pytest.raises(MemoryError):
        arena.alloc(1)
    pickle.loads(data)
    assert arena.stats().used == 0


def test_each_pickle_can_be_claimed_once(arena, buffer):
    pickles = [pickle.dumps(buffer) for _ in range(5)]
    assert next(arena.buffers()).tickets == 5
    assert len(set(pickles)) == 5
    claimed = [pickle.loads(data) for data in pickles]
    assert next(arena.buffers()).tickets == 0
    assert {each.offset for each in claimed} == {0}


def test_a_buffer_twice_in_one_pickle_is_one_buffer(arena, buffer):
    first, second = pickle.loads(pickle.dumps([buffer, buffer]))
    assert first is second


def test_only_one_of_two_threads_can_claim_a_handle(arena, buffer):
    for _ in range(100):
        data = pickle.dumps(buffer)
        ready = threading.Barrier(2)
        outcomes = []

        def claim(data=data, ready=ready, outcomes=outcomes):
            ready.wait()
            try:
                outcomes.append(pickle.loads(data))
            except StaleHandle:
                outcomes.append(None)

        threads = [threading.Thread(target=claim) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(each is None for each in outcomes) == [False, True]
    assert arena.stats().tickets == 0


def test_a_copy_shares_the_bytes_and_a_deep_copy_does_not(arena, buffer):
    same, other = copy.copy(buffer), copy.deepcopy(buffer)
    assert (same.offset, same.nbytes) == (buffer.offset, buffer.nbytes)
    assert other.offset != buffer.offset
    assert bytes(other.view) == PATTERN
    other.view[0] = 99
    assert same.view[0] == buffer.view[0] == 0
    assert arena.stats().tickets == 0
    small = copy.deepcopy({"a": arena.alloc(5), "b": [buffer]})
    assert small["a"].nbytes == 5


def test_a_handle_that_is_withdrawn_is_stale(arena):
    data = arena.alloc(4096).__reduce__()[1][0]
    assert arena.stats().tickets == 1
    withdraw(data)
    assert (arena.stats().tickets, arena.stats().n_spans) == (0, 0)
    with pytest.raises(StaleHandle, match="claimed or withdrawn before"):
        claim(data)
    withdraw(data)


def test_a_released_buffer_cannot_be_sent(arena, buffer):
    buffer.release()
    with pytest.raises(ValueError, match="released"):
        pickle.dumps(buffer)
    with pytest.raises(ValueError, match="released"):
        copy.copy(buffer)
    with pytest.raises(ValueError, match="released"):
        copy.deepcopy(buffer)
    assert arena.stats().tickets == 0


def test_claimed_buffers_can_be_sent_on(arena, start):
    def part(child):
        while True:
            data = child.hear()
            if data == "end":
                return
            child.say(pickle.dumps(pickle.loads(bytes.fromhex(data))).hex())

    children = [start(part) for _ in range(3)]
    buffer = arena.alloc(len(PATTERN))
    buffer.view[:] = PATTERN
    data = pickle.dumps(buffer).hex()
    del buffer
    for child in children * 5:
        child.say(data)
        data = child.hear()
    assert bytes(pickle.loads(bytes.fromhex(data)).view) == PATTERN
    assert arena.stats().used == 0
    for child in children:
        child.say("end")


def test_arenas_are_found_while_other_threads_create_some(Arena):
    """Unpickling a handle looks up the arena in the same way."""
    arenas = [Arena("64 KiB") for _ in range(50)]
    ids = [arena._attachment.layout.arena_id for arena in arenas]
    every = sys.getswitchinterval()
    thread = threading.Thread(target=lambda: [Arena("64 KiB") for _ in range(100)])
    sys.setswitchinterval(1e-6)
    try:
        thread.start()
        while thread.is_alive():
            for i in 0, -1:
                assert known_by_id(ids[i]) is arenas[i]._attachment
            assert known_by_id(0) is None
    finally:
        sys.setswitchinterval(every)
        thread.join()
