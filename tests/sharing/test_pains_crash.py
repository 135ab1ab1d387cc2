"""Problems of other projects after crashes, each as a test. Numbers are their issues."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys

import pytest

from pagebuddy import Arena as ChosenArena
from pagebuddy.testing.crash import Budget, engine_of_the_mortal

PAGE = 4096


def used(arena):
    return arena.stats().used


def test_survivors_keep_working_when_the_lock_holder_is_killed(arena, start):
    """birdnet 73; boostorg/interprocess 128, 163. The holder is killed at any moment."""

    def part(child):
        child.say("at work")
        while True:
            arena.alloc(5000)

    mine = arena.alloc(5)
    mine.view[:] = b"hello"
    for _ in range(20):
        child = start(part)
        assert child.hear() == "at work"
        for _ in range(20):
            arena.alloc(5000, timeout=60)
        child.kill()
        assert arena.alloc(5000, timeout=60).nbytes == 5000
    assert bytes(mine.view) == b"hello"
    assert arena.reap() <= 20
    assert used(arena) == 1


@pytest.mark.parametrize("stores", [1, 3, 5])
def test_waiting_processes_get_the_lock_when_its_holder_is_killed(
    arena, start, stopped_in, until_waiting, stores
):
    """birdnet 73, LightRAG 3413: processes that already waited for the lock hung for ever."""

    def part(child):
        child.hear()
        buffer = arena.alloc(PAGE)
        child.say(buffer.nbytes)
        child.hear()

    waiting = [start(part) for _ in range(3)]
    pid = stopped_in(arena, lambda arena: arena.alloc(3 * PAGE), stores)
    for child in waiting:
        child.say("go")
        until_waiting(arena, child.pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert [child.hear() for child in waiting] == [str(PAGE)] * 3
    arena.reap()
    arena.verify()
    assert used(arena) == 3


OPERATIONS = {
    "alloc": lambda arena: arena.alloc(3 * PAGE),
    "keep": lambda arena: arena.buffer_at(0).keep("new"),
    "send": lambda arena: pickle.dumps(arena.buffer_at(0)),
    "grow": lambda arena: arena["key"].resize(2 * PAGE),
    "reap": lambda arena: arena.reap(unclaimed_after=0),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("stores", [1, 2])
def test_the_lock_of_the_memory_itself_survives_its_holder(arena, die_in, operation, stores):
    """boostorg/interprocess 65, eclipse-score/baselibs 348: the lock inside the segment has no owner."""
    kept = [arena.alloc(PAGE) for _ in range(3)]
    kept[1].keep("key")
    # Import everything now, and not while the process is run one instruction at a time.
    pickle.loads(pickle.dumps(kept[2]))
    die_in(arena, OPERATIONS[operation], stores)
    kept.append(arena.alloc(PAGE, timeout=60))
    arena.reap(unclaimed_after=0)
    arena.verify()
    assert sorted(row.offset for row in arena.buffers() if row.kept or row.holders) == sorted(
        buffer.offset for buffer in kept
    )


READING = {
    "stats": lambda arena: arena.stats(),
    "buffers": lambda arena: list(arena.buffers()),
    "keys": lambda arena: arena.keys(),
    "a key": lambda arena: arena["key"],
    "verify": lambda arena: arena.verify(),
}


@pytest.mark.parametrize("operation", READING)
def test_a_killed_reader_does_not_block_writers(arena, die_in, operation):
    """apcu 632: the count of readers was never decremented, so every writer waited for ever."""
    arena.alloc(5, keep="key").view[:] = b"hello"
    die_in(arena, READING[operation], 1)
    arena.alloc(PAGE, timeout=60)
    assert bytes(arena["key"].view) == b"hello"
    arena.reap()
    arena.verify()
    assert used(arena) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_waits_for_the_lock_can_be_terminated(
    arena, start, stopped_in, until_waiting, number
):
    """apcu 632: a waiting process ignored SIGTERM, so it was killed while it had another lock."""
    child = start(lambda child: (child.hear(), arena.alloc(PAGE)))
    pid = stopped_in(arena, lambda arena: arena.alloc(3 * PAGE), 3)
    child.say("go")
    until_waiting(arena, child.pid)
    os.kill(child.pid, number)
    assert child.wait() == -number
    os.kill(pid, signal.SIGCONT)
    os.waitpid(pid, 0)
    assert arena.alloc(PAGE, timeout=60).nbytes == PAGE
    arena.reap()
    arena.verify()


@pytest.mark.parametrize("stores", [1, 4, 6, 8, 10])
def test_a_key_has_its_old_or_new_value_if_its_writer_is_killed(arena, die_in, stores):
    """LightRAG 3413: a worker was killed while it had the lock of a key."""
    arena.alloc(3, keep="key").view[:] = b"old"
    new = arena.alloc(3)
    new.view[:] = b"new"
    offset = new.offset
    die_in(arena, lambda arena: arena.buffer_at(offset).keep("key", replace=True), stores)
    assert bytes(arena["key"].view[:3]) in (b"old", b"new")
    new.keep("key", replace=True)
    assert bytes(arena["key"].view[:3]) == b"new"
    arena.reap()
    arena.verify()
    assert used(arena) == 1


@pytest.mark.parametrize("stores", [1, 3, 5])
def test_the_next_process_can_attach_after_all_have_crashed(
    silent, start, Arena, lock, name, die_in, stores
):
    """boostorg/interprocess 56: after a crash a named lock stayed locked until it was removed."""

    def part(child):
        arena = Arena.create(name, "1 MiB", lock=lock)
        arena.alloc(5, keep="key").view[:] = b"hello"
        die_in(arena, lambda arena: arena.alloc(3 * PAGE), stores)
        child.say("all but me are dead")
        os.kill(os.getpid(), signal.SIGKILL)

    child = start(part)
    assert child.hear() == "all but me are dead"
    child.wait()
    arena = Arena.attach(name)
    assert arena.alloc(PAGE, timeout=60).nbytes == PAGE
    assert (bytes(arena["key"].view), used(arena)) == (b"hello", 1)
    assert len(arena.processes()) == 1
    arena.verify()


def test_a_process_killed_while_creating_an_arena_leaves_no_half_made_one(silent, start, name):
    """FairMQ 278, boostorg/interprocess 65: processes waited for a segment that was only half made."""

    def making(stores):
        def part(child):
            budget = Budget(stores, end=lambda: os.kill(os.getpid(), signal.SIGKILL))
            own = {"_engine": engine_of_the_mortal(budget)}
            type("Arena", (ChosenArena,), own).open(name, "1 MiB", lock="file")
            child.say("made")

        return part

    def killed(stores):
        child = start(making(stores))
        if child.hear() == "made":
            return False
        # A pipe is closed before the lease ends.
        child.wait()
        return True

    stores, there = 0, []
    while not there or killed(stores):
        arena = ChosenArena.open(name, "1 MiB", lock="file")
        arena.verify()
        there.append(arena.processes()[0].pid)
        assert arena.unlink()
        del arena
        stores += 1
    assert stores > 10
    assert set(there) == {os.getpid()}


def test_a_name_can_be_used_again_after_ctrl_c(silent, engine, name):
    """posix_ipc 6: a stale name after Ctrl-C."""
    program = f"""if True:
        import pagebuddy
        arena = pagebuddy.Arena.open({name!r}, "1 MiB")
        buffer = arena.alloc(arena.size)
        try:
            print("ready", flush=True)
            while True:
                arena.stats()
        except KeyboardInterrupt:
            print("interrupted")
    """
    environment = os.environ | ({"PAGEBUDDY_PURE": "1"} if engine == "uncompiled" else {})
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        try:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=60) == ("interrupted\n", "")
        finally:
            process.kill()
