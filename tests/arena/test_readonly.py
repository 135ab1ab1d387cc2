"""Arenas that a process attaches with readonly=True."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import pagebuddy
from pagebuddy.memory.huge import free_in_pool, transparent_is_possible

READER = """
import ctypes
import numpy as np
arena = Arena.attach(sys.argv[1], readonly=True)
say("ready")
"""


@pytest.fixture
def arena(Arena, name):
    arena = Arena.create(name, "1 MiB")
    arena.objects["it"] = {"array": np.arange(1000.0)}
    arena.alloc(5, keep="note").view[:] = b"hello"
    yield arena
    arena.unlink()


@pytest.fixture
def reader(start, name, arena):
    """Start a process that attached the arena read-only, with more lines of its program."""

    def begin(program, *arguments):
        other = start(READER + program, name, *arguments)
        assert other.hear() == "ready"
        return other

    return begin


def test_what_is_found_is_read_only(reader):
    other = reader(
        """
buffer = arena["note"]
views = [buffer.view, buffer.array().data, arena.buffer_at(buffer.offset).view, memoryview(buffer.view)]
assert all(view.readonly for view in views), views
assert bytes(buffer.view) == b"hello"
assert not buffer.array().flags.writeable
array = arena.objects["it"]["array"]
assert array.sum() == 499500 and not array.flags.writeable
assert arena.buffer_of(array).view.readonly
try:
    array[0] = 1
except ValueError:
    say("refused")
try:
    buffer.view[0] = 1
except TypeError:
    say("refused")
try:
    arena.objects.get("it", writable=True)
except ValueError as error:
    say(error)
arena.verify()
"""
    )
    assert [other.hear(), other.hear()] == ["refused", "refused"]
    assert other.hear().startswith("writable=True needs write access")
    assert other.end() == 0


def test_handles_are_claimed_and_sent(arena, reader):
    array = arena.full(1000, 5.0)
    other = reader(
        """
array = arena.loads(bytes.fromhex(hear()))
assert array.sum() == 5000 and not array.flags.writeable
say(arena.dumps(array[5:10]).hex())
hear()
"""
    )
    other.say(arena.dumps(array).hex())
    back = arena.loads(bytes.fromhex(other.hear()))
    assert np.shares_memory(back, array)
    assert back.tolist() == [5.0] * 5
    other.say()
    assert other.end() == 0


def test_keys_are_kept_and_forgotten(arena, reader):
    other = reader(
        """
arena["note"].keep("another")
del arena.objects["it"]
assert arena.keys() == ["another"]
arena["another"].unkeep()
"""
    )
    assert other.end() == 0
    assert arena.keys() == list(arena.objects) == []
    assert arena.stats().used == 0
    arena.verify()


def test_allocating_is_refused_with_the_figures(arena, reader):
    other = reader(
        """
array = arena.objects["it"]["array"]
buffer = arena["note"]
before = arena.stats()
for call in (
    lambda: arena.alloc(5000), lambda: arena.alloc(5000, zero=True), lambda: arena.alloc("1 GiB"),
    lambda: arena.empty(5), lambda: arena.zeros(5), lambda: arena.full(5, 1), lambda: arena.copy([1]),
    lambda: arena.objects.__setitem__("new", 5), lambda: arena.dumps(np.zeros(10_000)),
    lambda: buffer.resize(100_000), lambda: __import__("copy").deepcopy(buffer),
):
    try:
        call()
    except OutOfPages as error:
        assert error.free == before.free and error.largest_free == before.largest_free, error
        assert error.requested and error.page_size == 4096
        assert "attached the arena with readonly=True" in str(error), error
    else:
        say("allocated")
for call in (arena.trim, arena.numpy_memory):
    try:
        call()
    except (ValueError, NotImplementedError) as error:
        assert "needs" in str(error)
    else:
        say("changed")
assert arena.stats() == before
assert arena.objects["it"]["array"].sum() == array.sum()
say("end")
"""
    )
    assert other.hear() == "end"
    assert other.end() == 0


def test_a_store_through_a_pointer_ends_only_that_process(arena, reader):
    other = reader(
        """
import resource
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
array = arena.objects["it"]["array"]
ctypes.memset(array.ctypes.data, 1, 8)
say("not reached")
"""
    )
    assert other.hear() == ""
    assert other.process.wait(timeout=60) == -signal.SIGSEGV
    assert arena.objects["it"]["array"].sum() == 499500
    arena.objects["it"] = np.zeros(10)
    arena.reap()
    arena.verify()


def test_a_reader_takes_over_and_reaps(arena, reader, start, name):
    """The tables are writable."""
    other = start(
        "arena = Arena.attach(sys.argv[1]); held = arena.alloc(5000); say('held'); hear()", name
    )
    assert other.hear() == "held"
    used = arena.stats().used
    other.kill()
    reader_of = reader(
        "arena.recover(); say(arena.reap()); say(arena.stats().used); arena.verify()"
    )
    # Attaching may have reaped it.
    assert int(reader_of.hear()) in (0, 1)
    assert int(reader_of.hear()) == used - 2
    assert reader_of.end() == 0


def test_attaching_in_the_other_mode_is_refused(Arena, name, reader):
    other = reader(
        """
for call in (lambda: Arena.attach(sys.argv[1]), lambda: Arena.open(sys.argv[1], "1 MiB")):
    try:
        call()
    except ValueError as error:
        say(error)
assert Arena.attach(sys.argv[1], readonly=True)["note"].nbytes == 5
arena.close()
del arena, call
again = Arena.attach(sys.argv[1])
again.alloc(5).view[0] = 1
say("attached again")
"""
    )
    for _ in range(2):
        assert "attached the arena read-only already" in other.hear()
    assert other.hear() == "attached again"
    assert other.end() == 0
    with pytest.raises(ValueError, match="attached the arena writable already"):
        Arena.attach(name, readonly=True)
    assert Arena.attach(name)["note"].view[0] == ord("h")


def test_children_copies_and_pickles_keep_the_mode(reader, start, name):
    other = reader(
        """
import copy, pickle
for again in (copy.copy(arena), pickle.loads(pickle.dumps(arena))):
    assert again["note"].view.readonly
pid = os.fork()
if not pid:
    try:
        arena["note"].array()[0] = 1
    except ValueError:
        os._exit(arena.objects["it"]["array"].flags.writeable)
    os._exit(2)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
say("kept")
say(pickle.dumps(arena).hex() if "conftest" not in Arena.__module__ else "")
hear()
"""
    )
    assert other.hear() == "kept"
    data = other.hear()
    receiver = start(
        "import pickle; arena = pickle.loads(bytes.fromhex(sys.argv[1])); "
        "say(arena['note'].view.readonly); say(bytes(arena['note'].view) == b'hello')",
        data,
    )
    assert [receiver.hear(), receiver.hear()] == ["True", "True"]
    assert receiver.end() == 0
    other.say()
    assert other.end() == 0


def test_by_descriptor(Arena, start):
    arena = Arena("1 MiB")
    arena.objects["it"] = np.arange(5)
    fd = os.dup(arena.fileno())
    os.set_inheritable(fd, True)
    other = start(
        "arena = Arena.attach(int(sys.argv[1]), readonly=True); "
        "say(arena.objects['it'].flags.writeable); say(arena['it'].nbytes if 'it' in arena else 'none')",
        fd,
        fds=(fd,),
    )
    os.close(fd)
    assert [other.hear(), other.hear()] == ["False", "none"]
    assert other.end() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.one_engine
def test_without_write_permission_it_says_what_is_needed(name):
    arena = pagebuddy.Arena.create(name, "1 MiB", mode=0o644)
    program = (
        "import os, sys, pagebuddy\n"
        "os.setuid(65534)\n"
        "try:\n    pagebuddy.Arena.attach(sys.argv[1], readonly=True)\n"
        "except PermissionError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, name], capture_output=True, text=True, timeout=60
    )
    arena.unlink()
    assert "may not write to the arena's file; it needs that also with readonly=True" in done.stdout


def test_readonly_survives_what_ends_a_closed_arena(arena, reader):
    other = reader(
        """
array = arena.objects["it"]["array"]
arena.close()
try:
    arena.objects
except ArenaClosed:
    say("closed")
assert array.sum() == 499500 and not array.flags.writeable
"""
    )
    assert other.hear() == "closed"
    assert other.end() == 0


@pytest.mark.one_engine
def test_a_pool_reads_what_it_is_sent(reader):
    other = reader(
        """
array = arena.objects["it"]["array"]
with ArenaExecutor(1, arena=arena) as pool:
    say(float(pool.submit(np.sum, array).result()))
"""
    )
    assert other.hear() == "499500.0"
    assert other.end() == 0


@pytest.mark.parametrize(
    ("huge", "page_size"), [("2 MiB", 2 << 20), ("transparent", 4096)], ids=["2 MiB", "transparent"]
)
def test_large_pages_are_read_only_too(Arena, start, huge, page_size):
    if huge == "transparent" and not transparent_is_possible():
        pytest.skip("shared memory gets no transparent large pages here")
    if huge == "2 MiB" and free_in_pool(2 << 20) < 20 << 20:
        pytest.skip("the system has no free pages of 2 MiB; see /proc/sys/vm/nr_hugepages")
    arena = Arena("16 MiB", page_size=page_size, huge=huge)
    arena.objects["it"] = np.arange(300_000)
    fd = os.dup(arena.fileno())
    other = start(
        """
import ctypes
import numpy as np
arena = Arena.attach(int(sys.argv[1]), readonly=True)
array = arena.objects["it"]
say(array.flags.writeable, array.sum() == 44999850000)
arena.verify()
ctypes.c_char.from_address(array.ctypes.data).value = b"x"
say("written")
""",
        fd,
        fds=(fd,),
    )
    os.close(fd)
    assert [other.hear(), other.hear()] == ["False True", ""]
    assert other.end() == -signal.SIGSEGV
    assert arena.objects["it"].sum() == 44999850000
    # What it held is reaped, and this process writes as before.
    arena.reap()
    arena.objects["it"] = arena.alloc(100).view
    arena.verify()
