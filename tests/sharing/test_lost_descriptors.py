"""Arenas in a process that closed all its descriptors, as daemons do, and opened other files since."""

from __future__ import annotations

import os
import pickle

import pytest

PATTERN = b"pattern!" * 1000


def close_all_but(child):
    """Close every descriptor but those that the child speaks through, and stderr."""
    speaking = sorted({2, *child.pipes()})
    for low, high in zip([2, *speaking], [*speaking, 256], strict=True):
        os.closerange(low + 1, high)


@pytest.fixture(params=["named", "file"])
def shared(request, silent, Arena, lock, name, tmp_path):
    """An arena that can be found."""
    if request.param == "named":
        return Arena.create(name, "16 MiB", lock=lock)
    return Arena.file(tmp_path / "store", "16 MiB", lock=lock)


@pytest.fixture(params=["closed", "reused"])
def lose_all(request, tmp_path):
    """Close all descriptors of a child, and perhaps give their numbers to another file."""

    def lose_all(child):
        close_all_but(child)
        if request.param == "reused":
            for _ in range(64):
                os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)

    yield lose_all
    if request.param == "reused":
        # Nothing was stored to it, and no room taken for it.
        assert (tmp_path / "other").stat().st_size == 0
        assert (tmp_path / "other").stat().st_blocks == 0


def play(child, act):
    """Say what act returns, or the error that it raises."""
    try:
        child.say(act())
    except Exception as error:
        child.say(f"{type(error).__name__}: {error}")


def test_it_goes_on_allocating_keeping_and_sending(shared, start, lose_all):
    def part(child):
        before = shared.alloc(len(PATTERN))
        before.view[:] = PATTERN
        lose_all(child)

        def act():
            large = shared.alloc(8 << 20, zero=True)
            kept = shared.alloc(len(PATTERN), keep="kept")
            kept.view[:] = before.view
            sent = pickle.loads(pickle.dumps(kept))
            shared.flush()
            return bytes(sent.view) == PATTERN and not any(large.view)

        play(child, act)
        child.say(shared.trim() >= 0)
        child.hear()

    child = start(part)
    assert [child.hear(), child.hear()] == ["True", "True"]
    assert bytes(shared["kept"].view) == PATTERN
    child.kill()
    assert shared.reap() == 1
    shared.verify()


def test_its_children_get_slots_of_their_own(shared, start, lose_all):
    def part(child):
        buffer = shared.alloc(len(PATTERN))
        buffer.view[:] = PATTERN
        lose_all(child)
        pid = os.fork()
        if pid == 0:
            play(child, lambda: bytes(buffer.view) == PATTERN and shared.alloc(100_000).nbytes)
            os._exit(0)
        os.waitpid(pid, 0)
        child.say([row.sticky for row in shared.processes() if row.me])
        play(child, lambda: shared.alloc(100_000).nbytes)

    child = start(part)
    assert [child.hear() for _ in range(3)] == ["100000", "[False]", "100000"]
    child.wait()
    shared.reap()
    assert shared.stats().used == 0
    shared.verify()


def test_it_reaps_the_dead(shared, start, lose_all):
    bystander = start(lambda child: child.hear())

    def part(child):
        lose_all(child)
        child.say("closed")
        child.hear()
        play(child, shared.reap)

    child = start(part)
    assert child.hear() == "closed"
    bystander.kill()
    child.say("reap")
    assert child.hear() == "1"


def test_the_files_of_others_stay_open_when_it_detaches(shared, start, tmp_path):
    """The number of the lock's descriptor too may mean another file."""

    def part(child):
        attached = [shared]
        close_all_but(child)
        opened = [os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT) for _ in range(64)]
        attached.pop()._attachment = None
        [os.fstat(fd) for fd in opened]
        if os.fork() == 0:
            [os.fstat(fd) for fd in opened]
            child.say("open")
            os._exit(0)
        os.wait()
        child.say("open")

    child = start(part)
    assert [child.hear(), child.hear()] == ["open", "open"]


def test_an_anonymous_arena_says_what_happened(silent, Arena, start, lock):
    arena = Arena("1 MiB", lock=lock)

    def part(child):
        buffer = arena.alloc(5)
        buffer.view[:] = b"hello"
        close_all_but(child)
        play(child, arena.fileno)
        child.say(bytes(buffer.view))

    child = start(part)
    told = child.hear()
    assert told.startswith("OSError: [Errno 9] the program closed file descriptor")
    assert "of anonymous memory" in told
    assert child.hear() == "b'hello'"
