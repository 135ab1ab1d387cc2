"""More forks than slots, and forks without an available lease: the child shares a sticky slot."""

from __future__ import annotations

import os
import resource
from contextlib import suppress

import pytest

from pagebuddy import OutOfPages
from pagebuddy.sharing.words import (
    SLOT_NAME,
    SLOT_NAME_WORDS,
    SLOT_NAMESPACE,
    SLOT_START,
    SLOT_WORDS,
)

NAME_OF_ANOTHER = memoryview(b"another".ljust(8 * SLOT_NAME_WORDS, b"\0")).cast("Q")
NOBODY = 65534
PATTERN = bytes(range(256)) * 16


def patterned(arena):
    buffer = arena.alloc(len(PATTERN))
    buffer.view[:] = PATTERN
    return buffer


def rows(arena):
    return [row for row in arena.processes() if not row.me]


def take_all(arena):
    """Allocate every free page, and overwrite it."""
    taken = []
    while arena.stats().free:
        taken.append(arena.alloc(arena.stats().largest_free * arena.page_size))
        taken[-1].view[:] = b"\xff" * taken[-1].nbytes
    return taken


def without_descriptors(act):
    """Run a function while this process cannot open files."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, limits[1]))
    taken = []
    with suppress(OSError):
        while True:
            taken.append(os.dup(0))
    try:
        return act()
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_two_hundred_forks_work_with_48_slots(arena, start):
    def part(head):
        buffer = patterned(arena)
        here, there = os.pipe()
        pids = []
        for _ in range(200):
            pid = os.fork()
            if not pid:
                os.close(there)
                os.read(here, 1)
                mine = arena.alloc(1)
                mine.view[0] = 1
                os._exit(bytes(buffer.view) != PATTERN)
            pids.append(pid)
        buffer = None
        head.say("forked")
        head.hear()
        os.close(there)
        head.say(sum(os.waitpid(pid, 0)[1] for pid in pids))
        head.hear()
        arena.verify()
        head.say("noticed")
        head.hear()

    head = start(part)
    assert head.hear() == "forked"
    assert len(rows(arena)) == 46
    assert [row.pid for row in rows(arena) if row.sticky] == [head.pid]
    assert arena.stats().used == 1
    taken = take_all(arena)
    # For the children's last allocations.
    del taken
    head.say("end them")
    assert head.hear() == "0"
    # The holds of children with their own slots end. The head has its slot alone, and notices that with
    # its next operation.
    assert arena.reap() == 45
    assert [(row.pid, row.sticky) for row in rows(arena)] == [(head.pid, True)]
    assert arena.stats().used > 0
    head.say("do something")
    assert head.hear() == "noticed"
    assert [(row.pid, row.sticky) for row in rows(arena)] == [(head.pid, False)]
    assert arena.stats().used == 0


def test_a_shared_slot_keeps_its_holds_until_all_its_processes_are_gone(arena, start):
    def part(child):
        buffer = patterned(arena)
        pid = without_descriptors(os.fork)
        if not pid:
            child.hear()
            child.say(bytes(buffer.view) == PATTERN)
            child.hear()
            os._exit(0)
        buffer = None
        child.say("forked")
        os._exit(0)

    child = start(part)
    assert child.hear() == "forked"
    assert child.wait() == 0
    assert [(row.alive, row.sticky) for row in rows(arena)] == [(True, True)]
    assert arena.reap() == 0
    taken = take_all(arena)
    child.say("look")
    assert child.hear() == "True"
    child.say("end")
    while rows(arena)[0].alive:
        # Only the kernel knows when a grandchild has ended.
        os.sched_yield()
    assert arena.reap() == 1
    del taken
    assert arena.stats().used == 0


def test_both_processes_of_a_shared_slot_keep_working(arena, start):
    def part(child):
        pid = without_descriptors(os.fork)
        if not pid:
            for n in range(100):
                buffer = arena.alloc(n + 1)
                buffer.view[0] = n
            os._exit(0)
        for n in range(100):
            buffer = arena.alloc(n + 1)
            buffer.view[0] = n
        buffer = None
        child.say(os.waitpid(pid, 0)[1])
        child.hear()

    child = start(part)
    assert child.hear() == "0"
    arena.verify()
    child.say("end")
    child.wait()
    assert arena.reap() == 1
    assert arena.stats().used == 0


def test_a_buffer_of_a_shared_slot_cannot_shrink(arena, start):
    def part(child):
        buffer = arena.alloc(8 * 4096)
        pid = without_descriptors(os.fork)
        if not pid:
            child.hear()
            os._exit(0)
        try:
            child.say(buffer.resize(4096))
        except BufferError as error:
            child.say(type(error).__name__)
        os.waitpid(pid, 0)

    child = start(part)
    assert child.hear() == "BufferError"
    child.say("end")


def shared_by_child(act):
    """Fork a child that shares this process's slot, and return how to end it."""
    told, tell = os.pipe()
    pid = without_descriptors(os.fork)
    if not pid:
        try:
            os.close(tell)
            act(lambda: os.read(told, 1))
        finally:
            os._exit(0)
    os.close(told)

    def end(*, waiting=True):
        os.close(tell)
        if waiting:
            os.waitpid(pid, 0)

    return end


def mine(arena):
    return [(row.sticky, row.buffers) for row in arena.processes() if row.me]


def test_a_grandchild_with_its_own_slot_does_not_keep_a_shared_slot_alive(arena, start):
    def part(child):
        buffer = patterned(arena)
        end = shared_by_child(lambda wait: wait())
        if os.fork() == 0:
            end(waiting=False)
            child.say("forked")
            child.hear()
            child.say(bytes(buffer.view) == PATTERN)
            child.hear()
            os._exit(0)
        end()

    child = start(part)
    assert child.hear() == "forked"
    assert child.wait() == 0
    states = sorted((row.sticky, row.alive) for row in rows(arena))
    # For the second fork, the parent left the shared slot.
    assert states == [(False, False), (False, True), (True, False)]
    assert arena.reap() == 2
    taken = take_all(arena)
    child.say("look")
    assert child.hear() == "True"
    child.say("end")
    del taken


def test_a_process_frees_again_once_its_child_that_shared_its_slot_is_gone(arena, start):
    def part(child):
        dropped, buffer, resized = patterned(arena), patterned(arena), arena.alloc(8 * 4096)
        end = shared_by_child(lambda wait: wait())
        del dropped
        assert mine(arena) == [(True, 3)]
        # Joined again, it is not free when the sharing ends.
        joined = [arena.buffer_at(buffer.offset)]
        buffer = None
        buffer = arena.buffer_at(joined[0].offset)
        joined.clear()
        end()
        assert mine(arena) == [(False, 2)]
        assert bytes(buffer.view) == PATTERN
        assert resized.resize(4096)
        for _ in range(1000):
            arena.alloc(64 * 4096)
        del resized, buffer
        assert arena.stats().used == 0
        arena.verify()

    assert start(part).wait() == 0


def test_a_child_frees_what_its_parent_left_in_their_slot(arena, start):
    """As in a daemon, whose first process exits after the fork."""

    def part(child):
        early, late, both = patterned(arena), patterned(arena), patterned(arena)
        if without_descriptors(os.fork):
            del late
            os._exit(0)
        del early
        child.say(mine(arena)[0])
        child.hear()
        child.say(mine(arena)[0])
        child.say(bytes(late.view) == bytes(both.view) == PATTERN)
        child.say(os.getpid() in [row.pid for row in arena.processes()])
        del late, both
        child.say(arena.stats().used)
        child.hear()

    child = start(part)
    child.hear()
    assert child.wait() == 0
    child.say("its parent is gone")
    assert [child.hear() for _ in range(4)] == ["(False, 2)", "True", "True", "0"]
    child.say("end")


def test_a_slot_is_shared_as_long_as_a_grandchild_shares_it(arena, start):
    def part(child):
        buffer = patterned(arena)
        told, tell = os.pipe()
        if without_descriptors(os.fork) == 0:
            os.close(tell)
            if without_descriptors(os.fork) == 0:
                child.say("forked")
                os.read(told, 1)
                child.say(bytes(buffer.view) == PATTERN)
            os._exit(0)
        os.wait()
        child.hear()
        buffer = None
        assert mine(arena) == [(True, 1)]
        taken = take_all(arena)
        os.close(tell)
        while mine(arena)[0][0]:
            # Only the kernel knows when a grandchild has ended.
            os.sched_yield()
        del taken
        assert arena.stats().used == 0

    child = start(part)
    assert child.hear() == "forked"
    child.say("go on")
    assert child.hear() == "True"
    assert child.wait() == 0


def test_a_child_that_runs_another_program_shares_no_slot(arena, start):
    def part(child):
        told, tell = os.pipe()
        pid = without_descriptors(os.fork)
        if pid == 0:
            os.dup2(told, 0)
            os.execv("/bin/sh", ["sh", "-c", "read word"])
        os.close(told)
        while mine(arena)[0][0]:
            # Only the kernel knows when it runs the other program.
            os.sched_yield()
        os.close(tell)
        os.waitpid(pid, 0)

    assert start(part).wait() == 0


def test_a_child_with_its_own_slot_keeps_nothing_that_its_parent_dropped_in_a_shared_one(
    arena, start
):
    def part(child):
        dropped, buffer = patterned(arena), patterned(arena)
        end = shared_by_child(lambda wait: wait())
        at = dropped.offset
        dropped = None
        pid = os.fork()
        if pid == 0:
            # The other process of the shared slot, its grandparent's child, still holds it.
            assert mine(arena) == [(False, 1)]
            again = arena.buffer_at(at)
            assert mine(arena) == [(False, 2)]
            del again
            assert mine(arena) == [(False, 1)]
            os._exit(bytes(buffer.view) != PATTERN)
        assert os.waitpid(pid, 0)[1] == 0
        end()
        assert mine(arena) == [(False, 1)]

    assert start(part).wait() == 0


@pytest.mark.parametrize("call", ["reap", "fork", "full"])
def test_a_process_leaves_a_shared_slot_when_it_can_have_its_own(arena, start, call):
    def part(child):
        dropped, buffer = patterned(arena), patterned(arena)
        pid = without_descriptors(os.fork)
        if pid == 0:
            child.hear()
            child.say(mine(arena)[0])
            child.say(bytes(dropped.view) == bytes(buffer.view) == PATTERN)
            child.say(mine(arena)[0])
            del dropped, buffer
            child.say(mine(arena)[0])
            child.hear()
            os._exit(0)
        del dropped
        assert mine(arena) == [(True, 2)]
        if call == "reap":
            assert arena.reap() == 0
        elif call == "fork":
            if os.fork() == 0:
                os._exit(mine(arena) != [(False, 1)])
            assert os.wait()[1] == 0
        else:
            filling = take_all(arena)
            with suppress(OutOfPages):
                arena.alloc(4096)
            del filling
        assert mine(arena) == [(False, 1)]
        assert bytes(buffer.view) == PATTERN
        del buffer
        assert mine(arena) == [(False, 0)]
        # The other process still has the slot in which all pages were taken.
        assert arena.stats().n_spans == 2 or call == "full"
        child.say("alone in the shared slot")
        os.waitpid(pid, 0)
        assert arena.reap() == 1 + (call == "fork")
        assert arena.stats().used == 0

    child = start(part)
    assert child.hear() == "alone in the shared slot"
    child.say("look")
    assert [child.hear() for _ in range(4)] == ["(False, 2)", "True", "(False, 2)", "(False, 0)"]
    child.say("end")
    assert child.wait() == 0


@pytest.mark.parametrize("call", ["reap", "fork"])
def test_without_a_tally_a_process_gets_its_own_slot(arena, start, call, engine):
    """As where the system has no shared memory of this kind."""

    def part(child):
        buffer = patterned(arena)
        attachment = arena._attachment
        pid = without_descriptors(os.fork)
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        attachment.tally_address = 0
        assert mine(arena) == [(True, 1)]
        if call == "reap":
            assert arena.reap() == 1
        elif os.fork() == 0:
            os._exit(0)
        assert mine(arena) == [(False, 1)]
        assert bytes(buffer.view) == PATTERN

    if engine == "compiled":
        pytest.skip("compiled, the tally cannot be taken away")
    assert start(part).wait() == 0


def test_a_daemon_that_gave_up_its_rights_frees_memory_after_a_fork(name, Arena, lock, start):
    if os.geteuid():
        pytest.skip("only root can become another user")

    def part(child):
        arena = Arena.create(name, "1 MiB", lock=lock)
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        for _ in range(3):
            pid = os.fork()
            if not pid:
                # It cannot open the file again, which it needs for a lock of this kind.
                os._exit(lock == "mutex" and mine(arena) != [(True, 0)])
            assert os.waitpid(pid, 0)[1] == 0
            for _ in range(100):
                arena.alloc(64 * 4096)
            assert mine(arena) == [(False, 0)]
        assert arena.stats().used == 0

    assert start(part).wait() == 0


def test_dead_processes_give_their_slots_to_children(arena, start):
    for _ in range(60):
        assert start(lambda child: None).wait() == 0
    assert [row.sticky for row in arena.processes() if row.me] == [False]


def test_a_child_has_the_name_of_its_parent(Arena):
    """Not that of a process that had the slot before."""
    arena = Arena("1 MiB")
    layout, words = arena._open.layout, arena._open.memory
    for slot in range(2, layout.n_slots):
        at = layout.slots_at + slot * SLOT_WORDS
        words[at + SLOT_NAME : at + SLOT_NAME + SLOT_NAME_WORDS] = NAME_OF_ANOTHER
        words[at + SLOT_START] = words[at + SLOT_NAMESPACE] = 77
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    (mine,) = (row for row in arena.processes() if row.me)
    (theirs,) = rows(arena)
    os.close(writing)
    os.waitpid(child, 0)
    assert theirs.name == mine.name
    assert theirs.namespace == mine.namespace
    assert theirs.pid in (0, child)
    assert theirs.started == 0


def test_a_trim_in_a_shared_slot_leaves_all_pages_free(arena, start):
    def part(child):
        used = arena.alloc(1 << 16)
        del used
        ended, end = os.pipe()
        pid = without_descriptors(os.fork)
        if not pid:
            # It ends with its parent, whatever happens to that.
            os.close(end)
            os.read(ended, 1)
            os._exit(0)
        freed = arena.trim()
        child.say((freed, arena.stats().used, [row.sticky for row in arena.processes() if row.me]))
        child.hear()
        os.close(end)
        os.waitpid(pid, 0)

    child = start(part)
    assert child.hear() == "(0, 0, [True])"
    child.say("end")
    assert child.wait() == 0
