"""Handles for several receivers, and handles that expire."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys

import pytest

from pagebuddy.core.words import FIRST_NODE
from pagebuddy.errors import OutOfPages, StaleHandle
from pagebuddy.sharing.joining.sending import claim, send
from pagebuddy.sharing.words import (
    TICKET_CLAIMS,
    TICKET_LIFE,
    TICKET_SERIAL,
    TICKET_WORDS,
    TIED,
)
from tests.sharing.old_tickets import make_old, tickets_of

PAGE = 4096
# More than the minute after which a handle of an ended sender expires; less than a machine is up.
LONG = 100_000  # ms


def test_a_handle_can_be_claimed_as_often_as_it_has_receivers(arena):
    buffer = arena.alloc(5)
    buffer.view[:] = b"bytes"
    handle = buffer.handle(receivers=3)
    del buffer
    got = [pickle.loads(handle) for _ in range(3)]
    assert [bytes(each.view) for each in got] == [b"bytes"] * 3
    with pytest.raises(StaleHandle):
        pickle.loads(handle)
    del got
    assert (arena.stats().used_bytes, arena.stats().tickets) == (0, 0)


def test_receivers_that_claim_after_others_released_the_buffer_get_it(arena):
    handle = arena.alloc(5).handle(receivers=2)
    pickle.loads(handle).release()
    assert arena.stats().n_spans == 1
    pickle.loads(handle).release()
    assert arena.stats().n_spans == 0


def test_a_handle_for_any_number_of_receivers_ends_when_it_expires(arena):
    handle = arena.alloc(5).handle(receivers=None, expires=60)
    for _ in range(5):
        pickle.loads(handle)
    assert arena.stats().tickets == 1
    make_old(arena, 60_000)
    with pytest.raises(StaleHandle):
        pickle.loads(handle)
    arena.reap()
    assert (arena.stats().tickets, arena.stats().used_bytes) == (0, 0)


def test_an_allocation_that_needs_room_ends_expired_handles(Arena):
    arena = Arena(4 * PAGE)
    handle = arena.alloc(4 * PAGE).handle(expires=60)
    with pytest.raises(OutOfPages):
        arena.alloc(PAGE)
    make_old(arena, 59_000)
    with pytest.raises(OutOfPages):
        arena.alloc(PAGE)
    make_old(arena, 1_000)
    assert arena.alloc(4 * PAGE).nbytes == 4 * PAGE
    with pytest.raises(StaleHandle):
        pickle.loads(handle)


@pytest.mark.skipif(sys.platform != "linux", reason="other processes need Linux")
def test_a_process_that_attaches_ends_expired_handles(Arena):
    arena = Arena("1 MiB", lock="file")
    arena.alloc(5).handle(expires=60)
    make_old(arena, 60_000)
    assert arena.stats().tickets == 1
    fd = arena.fileno()
    program = f"import pagebuddy; pagebuddy.Arena.attach({fd})"
    subprocess.run([sys.executable, "-c", program], pass_fds=[fd], check=True, timeout=60)
    assert arena.stats().tickets == 0


def test_after_a_restart_of_the_clock_a_handle_lives_its_whole_life_again(arena):
    handle = arena.alloc(5).handle(receivers=2, expires=60)
    make_old(arena, -3_600_000)
    arena.reap()
    assert pickle.loads(handle).nbytes == 5


def test_an_allocation_without_room_names_the_unclaimed_handles(Arena):
    arena = Arena(4 * PAGE)
    handles = [buffer.handle() for buffer in (arena.alloc(PAGE), arena.alloc(2 * PAGE))]
    make_old(arena, 5_000)
    with pytest.raises(
        OutOfPages, match=r"2 handles that nobody claimed keep 12288 bytes"
    ) as caught:
        arena.alloc(2 * PAGE)
    error = caught.value
    assert (error.unclaimed, error.unclaimed_bytes) == (2, 3 * PAGE)
    assert error.unclaimed_age >= 5
    again = pickle.loads(pickle.dumps(error))
    assert (again.unclaimed_age, str(again)) == (error.unclaimed_age, str(error))
    for handle in handles:
        pickle.loads(handle)


def test_dumps_for_several_receivers(arena):
    np = pytest.importorskip("numpy")
    data = arena.dumps({"a": arena.zeros(1000), "b": np.ones(1000)}, receivers=2, expires=60)
    first, second = arena.loads(data), arena.loads(data)
    first["a"][7] = 1
    assert second["a"][7] == 1
    with pytest.raises(StaleHandle):
        arena.loads(data)
    del first, second
    assert arena.stats().used_bytes == 0


def test_a_load_that_fails_takes_only_its_own_claim(arena):
    data = arena.dumps([arena.alloc(5), arena.alloc(6)], receivers=2)
    words = tickets_of(arena)
    last = words[TICKET_WORDS + TICKET_SERIAL]
    words[TICKET_WORDS + TICKET_SERIAL] = 1 << 40
    with pytest.raises(StaleHandle):
        arena.loads(data)
    words[TICKET_WORDS + TICKET_SERIAL] = last
    assert [buffer.nbytes for buffer in arena.loads(data)] == [5, 6]


def test_an_array_that_is_sent_read_only_arrives_so(arena):
    np = pytest.importorskip("numpy")
    things = [
        arena.zeros(1000),
        arena.zeros((100, 100))[::2, ::3],
        np.zeros(10_000),
        np.zeros(3),
        np.zeros((3, 4), order="F").T[::2],
        memoryview(bytearray(5)),
        memoryview(bytearray(10_000)),
    ]
    *arrays, small, large = arena.loads(arena.dumps(things, readonly=True))
    assert not any(array.flags.writeable for array in arrays)
    assert small.readonly
    assert large.readonly
    for sent, arrived in zip(things, arrays, strict=False):
        assert arrived.shape == sent.shape
        assert (arrived == sent).all()
    assert arena.loads(arena.dumps(things[3])).flags.writeable


@pytest.mark.parametrize(
    ("receivers", "expires", "error", "words"),
    [
        (None, None, ValueError, "receivers is None"),
        (0, None, ValueError, "receivers is 0; it must be at least 1"),
        (-1, None, ValueError, "receivers is -1"),
        (1 << 32, None, ValueError, "at most 4294967295"),
        (True, None, TypeError, "receivers is True, a bool"),
        (2.0, None, TypeError, "receivers is 2.0, a float"),
        ("2", None, TypeError, "receivers is '2'"),
        (1, 0, ValueError, "expires is 0"),
        (1, -5, ValueError, "expires is -5"),
        (None, math.inf, ValueError, "expires is inf"),
        (1, math.nan, ValueError, "expires is nan"),
        (1, 1e300, ValueError, "a hundred years"),
        (1, 10**400, ValueError, "expires is inf"),
        (1, "5", TypeError, "expires is '5'"),
        (1, True, TypeError, "expires is True"),
    ],
)
def test_wrong_terms_are_refused_and_change_nothing(arena, receivers, expires, error, words):
    buffer = arena.alloc(5)
    for call in buffer.handle, lambda **terms: arena.dumps(buffer, **terms):
        with pytest.raises(error, match=words):
            call(receivers=receivers, expires=expires)
    assert arena.stats().tickets == 0


@pytest.mark.skipif(sys.platform != "linux", reason="other processes need Linux")
def test_a_receiver_that_is_killed_before_it_claims_leaves_the_rest_to_expire(arena, start):
    handle = arena.alloc(5).handle(receivers=2, expires=60)

    def part(child):
        child.hear()

    start(part).kill()
    assert pickle.loads(handle).nbytes == 5
    arena.reap()
    assert arena.stats().tickets == 1
    make_old(arena, 60_000)
    arena.reap()
    assert (arena.stats().tickets, arena.stats().used_bytes) == (0, 0)


def test_a_tied_handle_does_not_expire_while_its_sender_lives(arena):
    buffer = arena.alloc(5)
    handle = send(arena._attachment, FIRST_NODE + buffer.offset // PAGE, 5, life_ms=TIED)
    # Were the sender taken for dead, the first reaping would give the handle a last minute.
    for _ in range(2):
        make_old(arena, LONG)
        arena.reap()
    assert claim(handle, arena._attachment).nbytes == 5


@pytest.mark.skipif(sys.platform != "linux", reason="other processes need Linux")
def test_a_tied_handle_expires_a_minute_after_its_sender_was_reaped(arena, start):
    def part(child):
        buffer = arena.alloc(5)
        handle = send(arena._attachment, FIRST_NODE + buffer.offset // PAGE, 5, life_ms=TIED)
        child.say(handle.hex())
        child.hear()

    child = start(part)
    handle = bytes.fromhex(child.hear())
    make_old(arena, LONG)
    child.kill()
    arena.reap()
    assert arena.stats().tickets == 1
    words = tickets_of(arena)
    assert LONG + 60_000 <= words[TICKET_LIFE] < LONG + 120_000
    assert words[TICKET_CLAIMS] == 1
    make_old(arena, 120_000)
    with pytest.raises(StaleHandle):
        claim(handle, arena._attachment)
    arena.reap()
    assert (arena.stats().tickets, arena.stats().used_bytes) == (0, 0)


def test_an_arena_can_be_made_so_that_all_its_handles_expire(Arena, name):
    lasting = Arena.create(name, "1 MiB", expires=60)
    try:
        arena = Arena.attach(name)
        handles = [
            pickle.dumps(arena.alloc(5)),
            arena.alloc(5).handle(receivers=None),
            arena.dumps(arena.alloc(5)),
        ]
        arena.alloc(5).handle(expires=120)
        make_old(lasting, 60_000)
        for handle, load in zip(handles, (pickle.loads, pickle.loads, arena.loads), strict=True):
            with pytest.raises(StaleHandle):
                load(handle)
        arena.reap()
        assert arena.stats().tickets == 1
    finally:
        lasting.unlink()


@pytest.mark.parametrize("expires", [0, -1, math.nan, math.inf, "60"])
def test_an_arena_whose_handles_expire_at_a_wrong_time_is_not_made(Arena, expires):
    with pytest.raises((TypeError, ValueError), match="expires is"):
        Arena("1 MiB", expires=expires)
