"""Buffers of dead processes are freed on request, when a process attaches, and when memory runs out."""

from __future__ import annotations

import os
import pickle
import signal

import pytest

from pagebuddy.errors import OutOfPages, OutOfSlots
from pagebuddy.sharing.words import A_BUSY, OP_ALLOC


def hold(arena, n_bytes):
    """Make a part: hold so many bytes until killed."""

    def part(child):
        buffer = arena.alloc(n_bytes)
        child.say(buffer.offset)
        child.hear()

    return part


@pytest.fixture
def dead(arena, start):
    """A process that died while it held a quarter of the arena."""
    child = start(hold(arena, arena.size // 4))
    child.hear()
    child.kill()
    return child


def test_nothing_is_freed_before_a_reap(arena, dead):
    assert arena.stats().used == arena.n_pages // 4
    assert [row.alive for row in arena.processes() if not row.me] == [False]
    assert arena.reap() == 1
    assert arena.stats().used == 0
    assert arena.reap() == 0


def test_an_allocation_that_would_fail_reaps_first(arena, dead):
    assert arena.alloc(arena.size).nbytes == arena.size


def test_an_allocation_that_fails_after_reaping_reports_the_figures(arena, dead):
    mine = arena.alloc(4096)
    with pytest.raises(OutOfPages) as caught:
        arena.alloc(arena.size)
    assert caught.value.free == arena.n_pages - 1
    assert mine.nbytes == 4096


def test_attaching_reaps(silent, start, Arena, lock, name):
    arena = Arena.create(name, "1 MiB", lock=lock)
    child = start(hold(arena, 8192))
    child.hear()
    child.kill()

    assert arena.stats().used == 2
    arena.close()
    del arena
    arena = Arena.attach(name)
    assert arena.stats().used == 0
    assert len(arena.processes()) == 1


def test_living_processes_keep_what_they_share_with_the_dead(arena, start):
    mine = arena.alloc(5)
    mine.view[:] = b"hello"
    child = start(lambda child: (child.say("held"), child.hear()))
    assert child.hear() == "held"
    child.kill()
    assert arena.reap() == 1
    assert bytes(mine.view) == b"hello"
    assert len(next(arena.buffers()).holders) == 1


def test_kept_and_sent_buffers_outlive_dead_processes(arena, start):
    def part(child):
        kept = arena.alloc(10_000)
        kept.keep("weights")
        sent = arena.alloc(20_000)
        child.say(pickle.dumps(sent).hex())
        lost = arena.alloc(30_000)
        child.say(lost.offset)
        child.hear()

    child = start(part)
    data = bytes.fromhex(child.hear())
    child.hear()
    child.kill()
    assert arena.reap() == 1
    assert arena.stats().n_spans == 2
    assert arena["weights"].nbytes == 10_000
    assert pickle.loads(data).nbytes == 20_000
    assert arena.stats().n_spans == 1
    arena["weights"].unkeep()
    assert arena.stats().n_spans == 0


def test_one_reap_ends_many_dead_processes(arena, start):
    children = [start(hold(arena, 4096)) for _ in range(46)]
    assert len({child.hear() for child in children}) == 46
    assert arena.stats().processes == 47
    for child in children:
        child.kill()
    assert arena.stats().dead == 46
    assert arena.reap() == 46
    assert arena.stats().used == 0


def test_dead_slots_in_every_word_of_holds_end_and_living_ones_stay(silent, start, Arena, lock):
    arena = Arena("1 MiB", slots=112, lock=lock)
    shared = arena.alloc(4096)
    children = [start(hold(arena, 4096)) for _ in range(70)]
    offsets = [int(child.hear()) for child in children]
    slots = sorted(row.slot for row in arena.processes())
    assert slots[-1] > 48 + 16  # in the second word
    for child in [*children[::2], children[-1]]:
        child.kill()
    living = {
        offset for child, offset in zip(children, offsets, strict=True) if child.status is None
    }
    assert arena.reap() == 70 - len(living)
    assert arena.reap() == 0
    assert {row.offset for row in arena.buffers()} == living | {shared.offset}
    (mine,) = (row for row in arena.buffers() if row.offset == shared.offset)
    assert len(mine.holders) == 1 + len(living)
    arena.verify()


def test_a_stopped_process_is_not_reaped(arena, start):
    child = start(hold(arena, 4096))
    child.hear()
    os.kill(child.pid, signal.SIGSTOP)
    os.waitpid(child.pid, os.WUNTRACED)
    assert arena.reap() == 0
    assert arena.stats().used == 1
    child.kill()
    assert arena.reap() == 1


def test_out_of_slots_if_all_slots_belong_to_living_processes(silent, start, Arena, lock, name):
    def stranger(child):
        child.hear()
        try:
            child.say(len(Arena.attach(name).processes()))
        except OutOfSlots as error:
            child.say(error)

    first, second = start(stranger), start(stranger)
    arena = Arena.create(name, "1 MiB", lock=lock)
    children = [start(hold(arena, 4096)) for _ in range(46)]
    for child in children:
        child.hear()
    first.say("attach")
    assert "slots for 47 processes, and all are taken" in first.hear()
    assert arena.stats().processes == 47
    children[7].kill()
    second.say("attach")
    assert second.hear() == "47"


def test_the_first_attachment_after_a_crash_recovers_and_reaps(silent, start, Arena, lock, name):
    def part(child):
        arena = Arena.create(name, "1 MiB", lock=lock)
        kept = arena.alloc(5, keep="weights")
        kept.view[:] = b"hello"
        lost = arena.alloc(4096)
        # As if it were inside an operation when it is killed.
        arena._attachment.memory[A_BUSY] = 2 << 32 | OP_ALLOC
        child.say(lost.offset)
        child.hear()

    child = start(part)
    child.hear()
    child.kill()
    arena = Arena.attach(name)
    assert bytes(arena["weights"].view) == b"hello"
    assert arena.stats().n_spans == 1
    assert [row.pid for row in arena.processes()] == [os.getpid()]
    arena.verify()


# It reads how much shared memory the whole machine uses.
@pytest.mark.alone
def test_an_anonymous_arena_ends_with_its_last_process(silent, start, Arena, lock):
    def in_memory():
        with open("/proc/meminfo") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("Shmem:"))

    before = in_memory()

    def part(child):
        arena = Arena("256 MiB", lock=lock)
        buffer = arena.alloc(256 << 20)
        buffer.view[:] = bytes([7]) * len(buffer)
        child.say("full")
        child.hear()

    child = start(part)
    assert child.hear() == "full"
    assert in_memory() - before > 128 << 10
    child.kill()
    assert in_memory() - before < 128 << 10
