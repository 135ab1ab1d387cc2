"""A process that closed all its descriptors, as daemons do, keeps its lease and reaps correctly."""

from __future__ import annotations

import os

import pytest

PATTERN = bytes(range(256)) * 16


def close_all_but(child):
    """Close every descriptor except those to the parent, and stderr."""
    kept = {2, *child.pipes()}
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd not in kept:
            try:
                os.close(fd)
            except OSError:
                # The descriptor of the folder that was just listed.
                continue


def filled_up(path):
    """Open another file under every free descriptor number."""
    for _ in range(64):
        os.open(path, os.O_RDWR | os.O_CREAT)


def rows(arena):
    return {row.pid: row.alive for row in arena.processes() if not row.me}


def test_a_process_without_descriptors_keeps_its_lease(arena, start):
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
def test_a_process_without_descriptors_takes_no_process_for_dead(
    arena, start, tmp_path, reused, lock
):
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
    # With a mutex it can continue. It cannot lock a file whose descriptor is closed.
    assert [child.hear(), child.hear()] == (
        ["True", "0"] if lock == "mutex" else ["skipped", "refused"]
    )
    child.wait()
    assert arena.reap() == 2


@pytest.mark.parametrize("reused", [False, True], ids=["closed", "reused"])
def test_children_of_a_process_without_descriptors_share_its_slot(arena, start, tmp_path, reused):
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
