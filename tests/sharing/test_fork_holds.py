"""A forked child holds what its parent held, from its first instruction to its last."""

from __future__ import annotations

import os

PATTERN = bytes(range(256)) * 16


def fill(arena):
    """Allocate every free page, and overwrite it."""
    taken = []
    while arena.stats().free:
        taken.append(arena.alloc(arena.stats().largest_free * arena.page_size))
        taken[-1].view[:] = b"\xff" * taken[-1].nbytes
    return taken


def patterned(arena):
    buffer = arena.alloc(len(PATTERN))
    buffer.view[:] = PATTERN
    return buffer


def test_a_child_still_holds_what_its_parent_releases(arena, start):
    buffer = patterned(arena)

    def part(child):
        child.hear()
        child.say(bytes(buffer.view) == PATTERN)  # deleted later

    child = start(part)
    buffer = None
    assert arena.stats().n_spans == 1
    taken = fill(arena)
    child.say("look")
    assert child.hear() == "True"
    assert child.wait() == 0
    assert arena.reap() == 1
    del taken
    assert arena.stats().used == 0


def test_a_parent_still_holds_what_its_child_releases(arena, start):
    buffer = patterned(arena)

    def part(child):
        nonlocal buffer
        buffer = None
        child.say(len(fill(arena)) > 0)

    assert start(part).hear() == "True"
    assert bytes(buffer.view) == PATTERN


def test_a_buffer_is_freed_by_the_last_of_parent_and_child(arena, start):
    buffer = patterned(arena)

    def part(child):
        nonlocal buffer
        buffer = None
        child.say("let go")
        child.hear()

    child = start(part)
    assert child.hear() == "let go"
    assert arena.stats().n_spans == 1
    buffer = None
    assert arena.stats().n_spans == 0
    child.say("end")
    child.wait()


def test_a_childs_allocations_are_its_own(arena, start):
    def part(child):
        mine = patterned(arena)
        child.say(mine.offset)
        child.hear()
        child.say(bytes(mine.view) == PATTERN)

    child = start(part)
    offset = int(child.hear())
    joined = arena.buffer_at(offset)
    assert bytes(joined.view) == PATTERN
    child.say("look")
    assert child.hear() == "True"
    child.wait()
    arena.reap()
    assert arena.stats().n_spans == 1
    assert bytes(joined.view) == PATTERN


def test_grandchildren_hold_inherited_buffers(arena, start):
    buffer = patterned(arena)

    def part(child):
        middle = os.fork()
        if middle == 0:
            if os.fork() == 0:
                child.hear()
                child.say(bytes(buffer.view) == PATTERN)  # deleted later
                child.hear()
            os._exit(0)
        os.waitpid(middle, 0)
        child.say("forked")

    child = start(part)
    assert child.hear() == "forked"
    assert child.wait() == 0
    buffer = None
    taken = fill(arena)
    assert sum(row.n_pages for row in arena.buffers()) == arena.n_pages
    child.say("look")
    assert child.hear() == "True"
    assert len(taken) > 0
    assert sum(row.alive and not row.me for row in arena.processes()) == 1
    child.say("end")


def test_each_local_object_counts_in_the_child_too(arena, start):
    buffer = patterned(arena)
    again = arena.buffer_at(buffer.offset)

    def part(child):
        nonlocal buffer
        slot = next(row.slot for row in arena.processes() if row.me)
        buffer = None
        held = next(arena.buffers()).holders
        child.say(slot in held and bytes(again.view) == PATTERN)

    child = start(part)
    assert child.hear() == "True"


def test_processes_shows_what_parent_and_child_hold(arena, start):
    buffer = arena.alloc(3 * 4096)

    def part(child):
        more = arena.alloc(4096)
        child.say("ready")
        child.hear()
        del more

    child = start(part)
    assert child.hear() == "ready"
    me, other = sorted(arena.processes(), key=lambda row: not row.me)
    assert (me.me, me.pid, me.alive, me.sticky, me.buffers, me.nbytes) == (
        *(True, os.getpid(), True, False),
        *(1, 3 * 4096),
    )
    assert (other.pid, other.alive, other.sticky, other.buffers, other.nbytes) == (
        *(child.pid, True, False),
        *(2, 4 * 4096),
    )
    assert next(arena.buffers()).holders == (me.slot, other.slot)
    child.kill()
    assert [row.alive for row in arena.processes() if not row.me] == [False]
    assert arena.stats().dead == 1
    assert arena.reap() == 1
    assert [row.pid for row in arena.processes()] == [os.getpid()]
    assert buffer.nbytes == 3 * 4096


def test_a_child_of_two_arenas_holds_buffers_of_both(arena, Arena, lock, start):
    other = Arena("1 MiB", lock=lock)
    buffers = [patterned(arena), patterned(other)]

    def part(child):
        child.hear()
        child.say(all(bytes(buffer.view) == PATTERN for buffer in buffers))

    child = start(part)
    buffers.clear()
    taken = fill(arena), fill(other)
    child.say("look")
    assert child.hear() == "True"
    assert child.wait() == 0
    del taken
