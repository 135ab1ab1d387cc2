"""A process that closed its descriptors, as daemons do, stays alive and judges nobody."""

from __future__ import annotations

import os

import pytest

PATTERN = bytes(range(256)) * 16


def close_all_but(child):
    """Close every descriptor but those that the child speaks through, and stderr."""
    kept = {2, *child.pipes()}
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd not in kept:
            try:
                os.close(fd)
            except OSError:
                # The folder that was just listed.
                continue


def filled_up(path):
    """Open another file under every number that is free."""
    for _ in range(64):
        os.open(path, os.O_RDWR | os.O_CREAT)


def rows(arena):
    return {row.pid: row.alive for row in arena.processes() if not row.me}


def test_its_lease_stays(arena, start):
    buffer = arena.alloc(len(PATTERN))
    buffer.view[:] = PATTERN

    def part(child):
        close_all_but(child)
        child.say("closed")
        child.hear()
        child.say(bytes(buffer.view) == PATTERN)  # deleted later
        child.hear()

    child = start(part)
    assert child.hear() == "closed"
    buffer = None
    assert rows(arena) == {child.pid: True}
    assert arena.reap() == 0
    taken = [arena.alloc(arena.stats().largest_free * arena.page_size)]
    taken[0].view[:] = b"\xff" * taken[0].nbytes
    child.say("look")
    assert child.hear() == "True"
    child.kill()
    assert arena.reap() == 1


@pytest.mark.parametrize("reused", [False, True], ids=["closed", "reused"])
def test_it_takes_nobody_for_dead(arena, start, tmp_path, reused, lock):
    bystander = start(lambda child: child.hear())

    def part(child):
        close_all_but(child)
        if reused:
            filled_up(tmp_path / "other")
        child.say(all(row.alive for row in arena.processes()) if lock == "mutex" else "skipped")
        try:
            child.say(arena.reap())
        except OSError:
            child.say("refused")

    child = start(part)
    bystander.kill()
    # By a mutex it goes on; a lock on a file that is closed it cannot have.
    assert [child.hear(), child.hear()] == (
        ["True", "0"] if lock == "mutex" else ["skipped", "refused"]
    )
    child.wait()
    assert arena.reap() == 2


@pytest.mark.parametrize("reused", [False, True], ids=["closed", "reused"])
def test_its_children_share_its_slot(arena, start, tmp_path, reused):
    def part(child):
        buffer = arena.alloc(len(PATTERN))
        buffer.view[:] = PATTERN
        close_all_but(child)
        if reused:
            filled_up(tmp_path / "other")
        if os.fork() == 0:
            child.hear()
            child.say(bytes(buffer.view) == PATTERN)
            child.hear()
            os._exit(0)
        child.say("forked")

    child = start(part)
    assert child.hear() == "forked"
    child.wait()
    assert [row.alive for row in arena.processes() if not row.me] == [True]
    assert arena.reap() == 0
    taken = arena.alloc(arena.stats().largest_free * arena.page_size)
    taken.view[:] = b"\xff" * taken.nbytes
    child.say("look")
    assert child.hear() == "True"
    child.say("end")
