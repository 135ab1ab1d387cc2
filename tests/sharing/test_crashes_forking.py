"""A parent or child that dies inside a fork does not disturb other processes and leaves nothing behind.

The mortal is a process that attaches, holds its own buffers and one of the survivor's, and forks. It is
killed before a line or a store of that, and so is its child, if there is one. A child that is not
killed continues with what its parent held.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from contextlib import suppress

import pytest

from verification.dying import deaths_at_lines, deaths_at_stores
from verification.storm.weather import adopt_orphans

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="arenas are shared on Linux")

PAGE = 4096


def write_to(buffer):
    buffer.view[:] = bytes([1 + buffer.offset // PAGE]) * buffer.nbytes


def are_sound(buffers):
    return all(set(buffer.view) == {1 + buffer.offset // PAGE} for buffer in buffers)


def overwrite_what_is_free(arena):
    taken = []
    while longest := arena.stats().largest_free:
        taken.append(arena.alloc(longest * PAGE))
        taken[-1].view[:] = b"\xff" * taken[-1].nbytes


@pytest.fixture
def look(Arena, lock, name, start, silent):
    """Return what the survivor sees: are its buffers intact; all buffers; the number of processes."""

    def part(child):
        arena = Arena.create(name, 64 * PAGE, lock=lock)
        mine = [arena.alloc(n * PAGE) for n in (2, 1, 5)]
        for buffer in mine:
            write_to(buffer)
        mine[0].keep("kept")
        while child.hear():
            arena.alloc(PAGE)
            arena.verify()
            arena.reap()
            overwrite_what_is_free(arena)
            arena.verify()
            rows = [(row.offset, row.n_pages, row.key, row.holders) for row in arena.buffers()]
            child.say((are_sound(mine), rows, len(arena.processes())))

    survivor = start(part)

    def look():
        survivor.say("look")
        return survivor.hear()

    return look


class Mortal:
    """A process that forks, with pipes through which its child reports that it is alive."""

    def __init__(self, name):
        self.name = name

    def open(self):
        self.told, self.tell = os.pipe()
        self.hear, self.say = os.pipe()

    def act(self, arena_class):
        """Attach, allocate, fork, and exit. The child checks the buffers when told to.

        If the child was killed, the parent is killed too, so that the point counts as a death.
        """
        os.setpgid(0, 0)
        os.write(self.say, os.getpid().to_bytes(8, "little"))
        arena = arena_class.attach(self.name)
        buffers = [arena.alloc(n * PAGE) for n in (3, 1, 2)]
        for buffer in buffers:
            write_to(buffer)
        buffers.append(arena["kept"])
        born, bear = os.pipe()
        if self.fork() == 0:
            os.close(self.tell)
            os.write(bear, b"!")
            os.write(self.say, b"!")
            os.read(self.told, 1)
            os.write(self.say, b"sound" if are_sound(buffers) else b"wrong")
            os._exit(0)
        os.close(bear)
        if not os.read(born, 1):
            os.kill(os.getpid(), signal.SIGKILL)
        self.go_on(arena, buffers)
        os._exit(0)

    fork = staticmethod(os.fork)

    def go_on(self, arena, buffers):
        """After the fork, do nothing else."""

    def has_child(self):
        """Return whether there is a living child."""
        os.close(self.told)
        os.close(self.say)
        self.group = int.from_bytes(os.read(self.hear, 8), "little")
        lives = os.read(self.hear, 1) == b"!"
        if not lives:
            self.wait()
        return lives

    def let_child_end(self):
        """Return whether the child found everything as its parent had written it."""
        os.write(self.tell, b"!")
        said = os.read(self.hear, 8)
        self.wait()
        return said == b"sound"

    def wait(self):
        """Wait until the child is gone. Its lease may end later than its pipes."""
        with suppress(ChildProcessError):
            while True:
                os.waitpid(-self.group, 0)

    def close(self):
        os.close(self.tell)
        os.close(self.hear)


class Sharer(Mortal):
    """The same, but the child shares the slot of its parent, which cannot take a lease."""

    @staticmethod
    def fork():
        return without_descriptors(os.fork)


class Leaver(Sharer):
    """The same, and then the parent takes a slot of its own."""

    def go_on(self, arena, buffers):
        """Drop a buffer, and take a slot."""
        del buffers[1:]
        arena.reap()
        assert has_its_slot_alone(arena)
        assert are_sound(buffers)


def without_descriptors(act):
    """Run a function while this process cannot open files."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_free = os.dup(0)
    os.close(next_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_free, limits[1]))
    try:
        return act()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def has_its_slot_alone(arena):
    return [row.sticky for row in arena.processes() if row.me] == [False]


class LastOfASlot(Mortal):
    """A process whose child shared its slot and ended, and whose next operation ends that."""

    def act(self, arena_class):
        os.setpgid(0, 0)
        os.write(self.say, os.getpid().to_bytes(8, "little"))
        arena = arena_class.attach(self.name)
        buffers = [arena.alloc(n * PAGE) for n in (3, 1, 2)]
        buffers.append(arena["kept"])
        for buffer in buffers[:3]:
            write_to(buffer)
        pid = without_descriptors(os.fork)
        if pid == 0:
            buffers.append(arena.alloc(PAGE))
            os._exit(0)
        del buffers[1:]
        del buffer
        os.waitpid(pid, 0)
        assert has_its_slot_alone(arena)
        assert are_sound(buffers)
        assert [row.nbytes for row in arena.processes() if row.me] == [3 * PAGE]
        os._exit(0)


def deaths_of(mortal, Arena, points, effort):
    step = effort.pick(29, 5, 1)
    first = effort.seed % step
    if points == "lines":
        return deaths_at_lines(lambda: mortal.act(Arena), step, first)
    return deaths_at_stores(mortal.act, step, first)


@pytest.mark.parametrize("points", [pytest.param("lines", marks=pytest.mark.soak), "stores"])
def test_a_process_killed_when_it_ends_the_sharing_of_its_slot_leaves_nothing_behind(
    Arena, engine, name, look, points, effort
):
    if (engine, points) == ("compiled", "stores"):
        pytest.skip("compiled, this is stepped through by other tests")
    adopt_orphans()
    mortal = LastOfASlot(name)
    mortal.open()
    expected = look()
    assert expected.startswith("(True")
    for _ in deaths_of(mortal, Arena, points, effort):
        mortal.group = int.from_bytes(os.read(mortal.hear, 8), "little")
        mortal.wait()
        assert look() == expected
    mortal.close()
    os.close(mortal.told)
    os.close(mortal.say)


@pytest.mark.parametrize(
    "Mortal",
    [
        pytest.param(Mortal, id="own slot"),
        pytest.param(Sharer, id="shared slot"),
        pytest.param(Leaver, id="then its own", marks=pytest.mark.soak),
    ],
)
@pytest.mark.parametrize("points", ["lines", "stores"])
def test_a_process_killed_inside_a_fork_leaves_nothing_behind(
    Arena, engine, name, look, points, effort, Mortal
):
    if (engine, points) == ("compiled", "stores"):
        pytest.skip("compiled, forks are stepped through by other tests")
    adopt_orphans()
    mortal = Mortal(name)
    deaths = deaths_of(mortal, Arena, points, effort)
    expected = look()
    assert expected.startswith("(True")
    children = []
    mortal.open()
    for _ in deaths:
        children.append(mortal.has_child())
        if children[-1]:
            assert look() != expected
            assert mortal.let_child_end()
        assert look() == expected
        mortal.close()
        mortal.open()
    mortal.close()
    os.close(mortal.told)
    os.close(mortal.say)
    assert set(children) == {False, True}
