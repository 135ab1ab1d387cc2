"""More forks than slots, and forks without an available lease: the child shares a sticky slot."""

from __future__ import annotations

import os
import resource
from contextlib import suppress

from pagebuddy.sharing.words import (
    SLOT_NAME,
    SLOT_NAME_WORDS,
    SLOT_NAMESPACE,
    SLOT_START,
    SLOT_WORDS,
)

NAME_OF_ANOTHER = memoryview(b"another".ljust(8 * SLOT_NAME_WORDS, b"\0")).cast("Q")
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

    head = start(part)
    assert head.hear() == "forked"
    assert len(rows(arena)) == 46
    assert [row.pid for row in rows(arena) if row.sticky] == [head.pid]
    assert arena.stats().used == 1
    taken = take_all(arena)
    # The children's final allocations.
    taken.pop().release()
    head.say("end them")
    assert head.hear() == "0"
    # The holds of children with their own slots end. The slot of the head is no longer shared, but the
    # head cannot know that.
    assert arena.reap() == 45
    assert [row.pid for row in rows(arena)] == [head.pid]
    assert arena.stats().used > len(taken)
    head.say("end")
    assert head.wait() == 0
    assert arena.reap() == 1
    del taken
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


def test_a_grandchild_with_its_own_slot_does_not_keep_a_shared_slot_alive(arena, start):
    def part(child):
        buffer = patterned(arena)
        pid = without_descriptors(os.fork)
        if not pid:
            os._exit(0)
        os.waitpid(pid, 0)
        if os.fork() == 0:
            child.say("forked")
            child.hear()
            child.say(bytes(buffer.view) == PATTERN)
            child.hear()
            os._exit(0)

    child = start(part)
    assert child.hear() == "forked"
    assert child.wait() == 0
    states = sorted((row.sticky, row.alive) for row in rows(arena))
    assert states == [(False, True), (True, False)]
    assert arena.reap() == 1
    taken = take_all(arena)
    child.say("look")
    assert child.hear() == "True"
    child.say("end")
    del taken


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
