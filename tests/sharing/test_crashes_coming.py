"""A process that dies while it creates, attaches to or unlinks an arena disturbs no other process."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from pathlib import Path

import pytest

from pagebuddy.core.words import H_MASK
from pagebuddy.memory.named import FOLDER
from pagebuddy.sharing.words import A_BUSY, OP_REPAIR
from verification.dying import deaths_at_lines, deaths_at_stores

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="arenas are shared on Linux")

PAGE = 64
SIZE = 40 * PAGE


class Spot:
    """The location of an arena: a name or a file."""

    def __init__(self, kind, name, tmp_path):
        self.kind = kind
        self.place = name if kind == "named" else tmp_path / "folder" / "store"
        self.path = Path(FOLDER, name) if kind == "named" else self.place
        if kind == "file":
            self.path.parent.mkdir()

    def make(self, Arena, **options):
        options = {"page_size": PAGE, **options}
        if self.kind == "named":
            return Arena.create(self.place, SIZE, **options)
        return Arena.file(self.place, SIZE, **options)

    def find(self, Arena):
        return Arena.attach(self.place) if self.kind == "named" else Arena.file(self.place)

    def neighbours(self):
        """Return the files of this test in the folder."""
        hidden = ".pagebuddy-"
        return {
            name
            for name in os.listdir(self.path.parent)
            if self.kind == "file" or name.startswith((hidden, self.path.name))
        }


@pytest.fixture(params=["named", "file"])
def spot(request, name, tmp_path):
    return Spot(request.param, name, tmp_path)


@pytest.fixture
def deaths(engine, Arena, effort):
    """Kill a process that uses a class of arenas, before lines and, uncompiled, also before stores.

    Every 29th point in an everyday run, starting elsewhere each day; every `step`th in a soak; all in a
    hunt.
    """

    def deaths(act, step=1):
        step = effort.pick(29, step, 1)
        first = effort.seed % step
        yield from deaths_at_lines(lambda: act(Arena), step, first)
        if engine == "uncompiled":
            yield from deaths_at_stores(act, step, first)

    return deaths


def rows(arena):
    return {
        (row.offset, row.n_pages, row.key, row.nbytes, row.holders, row.tickets)
        for row in arena.buffers()
    }


def test_a_process_killed_while_creating_an_arena_leaves_none_or_a_sound_one(
    spot, deaths, Arena, lock, silent
):
    """Afterwards the arena is absent or valid, nothing else is left, and the name can be used."""
    seen = []
    for _ in deaths(lambda arena_class: spot.make(arena_class, lock=lock), step=4):
        seen.append(spot.path.exists())
        if not seen[-1]:
            assert spot.neighbours() == set()
            spot.make(Arena).close()
        arena = spot.find(Arena)
        arena.verify()
        assert arena.stats().used == 0
        assert [row.me for row in arena.processes()] == [True]
        assert arena.alloc(SIZE).nbytes == SIZE
        assert arena.unlink()
        assert spot.neighbours() == set()
    assert set(seen) == {False, True}


def leave_behind(spot, Arena, lock):
    """Create an arena. Return it, its buffers, of which some are kept, and handles to some."""
    arena = spot.make(Arena, lock=lock)
    buffers = [arena.alloc(n * PAGE, keep=key) for n, key in ((2, "two"), (3, True))]
    buffers += [arena.alloc(n * PAGE) for n in (1, 4, 5)]
    buffers[0].view[:] = b"k" * 2 * PAGE
    handles = [pickle.dumps(buffer) for buffer in buffers[2:4]]
    for _ in range(2):
        if (pid := os.fork()) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
    return arena, buffers, handles


@pytest.fixture
def left(spot, Arena, lock, silent):
    """The bytes of an arena whose processes were all killed."""
    pid = os.fork()
    if pid == 0:
        arena, *others = leave_behind(spot, Arena, lock)
        # As left by a death during recovery: the mask is derived, and is rebuilt.
        words = arena._attachment.words_of_engine()
        words[H_MASK] = 99
        arena._attachment.memory[A_BUSY] = 2 << 32 | OP_REPAIR
        os.kill(os.getpid(), signal.SIGKILL if others else 0)
    os.waitpid(pid, 0)
    return spot.path.read_bytes()


def test_a_first_attachment_that_is_killed_can_be_repeated(spot, deaths, Arena, left):
    """The next process finds what was kept and what was sent, whatever the dead process had begun."""

    def outcome():
        arena = spot.find(Arena)
        arena.verify()
        assert [row.me for row in arena.processes()] == [True]
        assert bytes(arena["two"].view) == b"k" * 2 * PAGE
        return rows(arena)

    expected = outcome()
    assert len(expected) == 4
    spot.path.write_bytes(left)
    for _ in deaths(spot.find, step=5):
        assert outcome() == expected
        spot.path.write_bytes(left)


def test_an_attachment_that_is_killed_does_not_disturb_other_processes(
    spot, deaths, Arena, left, start
):
    """An attached process sees at most one more dead process, and others can attach."""

    def part(child):
        arena = spot.find(Arena)
        mine = arena.alloc(3 * PAGE)
        child.say("there")
        while child.hear():
            arena.verify()
            n_dead = arena.reap()
            arena.verify()
            child.say((n_dead <= 1, sorted(map(str, rows(arena))), len(arena.processes())))
        mine.release()

    survivor = start(part)
    assert survivor.hear() == "there"

    def outcome():
        survivor.say("look")
        return survivor.hear()

    expected = outcome()
    assert "True" in expected
    for _ in deaths(spot.find, step=5):
        assert outcome() == expected
    assert spot.find(Arena).stats().processes == 2


def test_an_unlink_that_is_killed_leaves_the_name_usable(spot, deaths, Arena, lock, silent):
    """The name exists and leads to the arena, or it can be used again."""
    arena = spot.make(Arena, lock=lock)
    arena.alloc(PAGE, keep="kept")
    seen = []
    for _ in deaths(lambda arena_class: spot.find(arena_class).unlink(), step=3):
        seen.append(spot.path.exists())
        if not seen[-1]:
            arena = spot.make(Arena, lock=lock)
            arena.alloc(PAGE, keep="kept")
        arena.reap()
        assert spot.find(Arena)["kept"].nbytes == PAGE
    assert set(seen) == {False, True}
    assert spot.neighbours() == {spot.path.name}
