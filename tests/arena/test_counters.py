"""What the header counts: waits for the lock, failed allocations, reaped processes, expired handles."""

from __future__ import annotations

import pickle
import signal

import pytest

from pagebuddy import OutOfPages
from pagebuddy.arena.stats import ArenaStats
from pagebuddy.sharing.words import A_BUSY, A_EXPIRED, A_FAILURES, A_LOCK_WAITS, A_REAPED
from tests.sharing.old_tickets import make_old

# Holds a buffer and is killed.
DIES = """
arena = Arena.attach(sys.argv[1])
buffer = arena.alloc(5000)
os.kill(os.getpid(), 9)
"""

COUNTERS = "lock_waits", "failed", "reaped", "expired"


def counts(arena):
    stats = arena.stats()
    return tuple(getattr(stats, counter) for counter in COUNTERS)


def test_a_new_arena_counts_from_zero_and_plain_calls_count_nothing(Arena, name):
    with Arena.create(name, "1 MiB") as arena:
        buffers = [arena.alloc(n) for n in (1, 5000, 100_000)]
        arena.loads(arena.dumps(buffers[0]))
        assert buffers[1].resize("2 MiB") is False
        del buffers
        arena.reap()
        assert counts(arena) == (0, 0, 0, 0)


@pytest.mark.parametrize("nbytes", ["512 KiB", "2 MiB"])
def test_a_failed_allocation_counts_once(Arena, nbytes):
    arena = Arena("1 MiB")
    held = arena.alloc("768 KiB")
    for times in (1, 2):
        with pytest.raises(OutOfPages):
            arena.alloc(nbytes)
        assert counts(arena) == (0, times, 0, 0)
    del held


def test_figures_are_equal_if_only_the_counters_differ(Arena):
    arena = Arena("1 MiB")
    before = arena.stats()
    with pytest.raises(OutOfPages):
        arena.alloc("2 MiB")
    after = arena.stats()
    assert after == before
    assert hash(after) == hash(before)
    assert after.failed == before.failed + 1
    held = arena.alloc(1)
    assert arena.stats() != before
    del held


def test_a_process_that_may_only_read_has_no_failed_allocation(Arena, name):
    with Arena.create(name, "1 MiB") as arena:
        arena.alloc(1, keep="it").release()
    with Arena.attach(name, readonly=True) as reader:
        with pytest.raises(OutOfPages, match="readonly"):
            reader.alloc(1)
        assert counts(reader) == (0, 0, 0, 0)


def test_reaped_processes_count(Arena, name, start):
    with Arena.create(name, "1 MiB") as arena:
        assert start(DIES, name).process.wait(60) == -signal.SIGKILL
        assert arena.stats().reaped == 0
        assert arena.reap() == 1
        assert counts(arena) == (0, 0, 1, 0)
        assert arena.reap() == 0
        assert counts(arena) == (0, 0, 1, 0)


def test_expired_handles_count_and_those_that_are_ended_on_request_do_not(Arena):
    arena = Arena("1 MiB")
    for _ in range(3):
        arena.dumps(memoryview(bytes(5000)), expires=60)
    make_old(arena, 60_000)
    arena.dumps(memoryview(bytes(5000)))
    arena.reap()
    arena.reap(unclaimed_after=0)
    assert counts(arena) == (0, 0, 0, 3)
    assert arena.stats().used == 0


def test_the_counters_are_not_read_by_anything(Arena, name):
    """So any values do no harm: a kill may come before each store, and old arenas have none."""
    with Arena.create(name, "1 MiB") as arena:
        words = arena._attachment.memory
        for at in (A_LOCK_WAITS, A_FAILURES, A_REAPED, A_EXPIRED):
            words[at] = (1 << 64) - 1
        with pytest.raises(OutOfPages):
            arena.alloc("2 MiB")
        arena.dumps(memoryview(bytes(5000)), expires=60)
        make_old(arena, 60_000)
        arena.reap()
        arena.verify()
        arena.recover()
        assert arena.stats().used == 0
        assert words[A_BUSY] == 0


def test_figures_that_were_pickled_without_counters_load(Arena):
    stats = Arena("1 MiB").stats()
    loaded = ArenaStats.__new__(ArenaStats)
    loaded.__setstate__(stats.__getstate__()[: -len(COUNTERS)])
    assert [getattr(loaded, counter) for counter in COUNTERS] == [0, 0, 0, 0]
    assert pickle.loads(pickle.dumps(stats)).as_dict() == stats.as_dict()
