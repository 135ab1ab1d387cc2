"""What the logger "pagebuddy" is told: reaped processes, expired handles, a nearly full arena."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pagebuddy
from pagebuddy import OutOfPages
from pagebuddy.sharing.joining import telling
from pagebuddy.sharing.words import MOST_NOTES
from tests.sharing.old_tickets import make_old

PAGE = 4096

# Holds two buffers in an arena and is killed.
DIES = """
import os, signal, sys
import pagebuddy
arena = pagebuddy.Arena.attach(sys.argv[1])
buffers = arena.alloc(5000), arena.alloc(4096)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def environment(engine):
    """That of other processes, which use the same engine."""
    own = {"PAGEBUDDY_PURE": "1" if engine == "uncompiled" else "0"}
    return os.environ | own | {"PYTHONPATH": str(Path(pagebuddy.__file__).parents[1])}


@pytest.fixture
def die(environment, tmp_path):
    """Has a process hold two buffers in a named arena and be killed; its id."""
    program = tmp_path / "dies.py"
    program.write_text(DIES)

    def run(name):
        child = subprocess.Popen(
            [sys.executable, program, name], env=environment, stderr=subprocess.DEVNULL
        )
        assert child.wait(60) == -signal.SIGKILL
        return child.pid

    return run


def told(caplog):
    """What was logged since the last call."""
    records = [record for record in caplog.records if record.name == "pagebuddy"]
    assert all(record.levelno == logging.WARNING for record in records)
    caplog.clear()
    return [record.getMessage() for record in records]


def test_a_reaped_process_is_told_with_what_it_held(Arena, name, die, caplog):
    with Arena.create(name, "1 MiB") as arena:
        pid = die(name)
        assert told(caplog) == []
        arena.reap()
        [record] = [record for record in caplog.records if record.name == "pagebuddy"]
        assert (record.arena, record.pids, record.freed_bytes) == (name, [pid], 3 * PAGE)
        assert told(caplog) == [
            f"arena {name}: reaped 1 dead process ({pid} dies.py); freed 2 buffers of 12 KiB"
        ]
        arena.reap()
        assert told(caplog) == []


def test_who_attaches_tells_whom_it_reaped(Arena, name, die, caplog):
    Arena.create(name, "1 MiB").close()
    pid = die(name)
    with Arena.attach(name):
        [message] = told(caplog)
    assert message.startswith(f"arena {name}: reaped 1 dead process ({pid} dies.py); freed")


def test_an_allocation_that_reaps_tells_it(Arena, name, die, caplog):
    with Arena.create(name, 3 * PAGE) as arena:
        pid = die(name)
        buffer = arena.alloc(2 * PAGE)
        [message] = told(caplog)
        assert f"({pid} dies.py)" in message
        del buffer


def test_expired_handles_are_told_with_what_they_held(Arena, name, caplog):
    with Arena.create(name, "1 MiB") as arena:
        arena.dumps(memoryview(bytes(5000)), expires=60)
        kept = arena.alloc(PAGE)
        arena.dumps(kept, expires=60)
        make_old(arena, 60_000)
        arena.dumps(kept)
        arena.reap()
        assert told(caplog) == [
            f"arena {name}: 2 handles expired, which nobody had claimed; freed 1 buffer of 8 KiB"
        ]


def test_a_full_arena_is_told_once_until_it_has_room_again(Arena, name, caplog):
    # Larger than what a process caches, which counts as used.
    large = 32 * PAGE
    with Arena.create(name, 100 * large) as arena:
        held = [arena.alloc(large) for _ in range(89)]
        arena.reap()
        assert told(caplog) == []
        held.append(arena.alloc(large))
        arena.reap()
        assert told(caplog) == [
            f"arena {name} is 90 % full: 11.2 MiB of 12.5 MiB are in use; drop arrays, or create a "
            "larger arena"
        ]
        with pytest.raises(OutOfPages):
            arena.alloc(50 * large)
        # It wavers, and nothing is told until there is room.
        del held[86:]
        arena.reap()
        held += [arena.alloc(large) for _ in range(6)]
        arena.reap()
        assert told(caplog) == []
        del held[80:]
        arena.reap()
        held.append(arena.alloc(15 * large))
        with pytest.raises(OutOfPages):
            arena.alloc(50 * large)
        assert told(caplog) == [
            f"arena {name} is 95 % full: 11.9 MiB of 12.5 MiB are in use; drop arrays, or create a "
            "larger arena"
        ]


def test_an_allocation_that_finds_pages_tells_nothing(Arena, caplog):
    arena = Arena(100 * PAGE)
    held = [arena.alloc(PAGE) for _ in range(100)]
    assert told(caplog) == []
    del held


def test_a_handler_that_raises_breaks_no_allocation(Arena, caplog, monkeypatch):
    def fail(*_):
        raise RuntimeError("no disk for logs")

    logger = logging.getLogger("pagebuddy")
    monkeypatch.setattr(logger, "handle", fail)
    arena = Arena(100 * PAGE)
    held = arena.alloc(95 * PAGE)
    with pytest.raises(OutOfPages):
        arena.alloc(50 * PAGE)
    del held


def test_more_than_can_be_noted_is_counted_and_not_told(Arena, name, monkeypatch, caplog):
    with Arena.create(name, "1 MiB") as arena:
        with monkeypatch.context() as patch:
            # As numpy's calls, which cannot log.
            patch.setattr(telling, "tell", lambda a: None)
            for _ in range(2 * MOST_NOTES):
                arena.dumps(memoryview(bytes(PAGE)), expires=60)
                make_old(arena, 60_000)
                arena.reap()
        arena.reap()
        assert len(told(caplog)) == MOST_NOTES
        assert arena.stats().expired == 2 * MOST_NOTES
        assert arena.stats().used == 0


def test_a_forked_child_does_not_tell_what_its_parent_noted(Arena, monkeypatch, caplog):
    arena = Arena("1 MiB")
    arena.dumps(memoryview(bytes(PAGE)), expires=60)
    make_old(arena, 60_000)
    with monkeypatch.context() as patch:
        patch.setattr(telling, "tell", lambda a: None)
        arena.reap()
    pid = os.fork()
    if pid == 0:
        os._exit(int(arena._attachment.has_notes))
    _, status = os.waitpid(pid, 0)
    assert status == 0
    arena.reap()
    assert "handle expired" in told(caplog)[0]


def test_a_child_that_held_nothing_of_its_own_is_no_warning(Arena, caplog):
    arena = Arena("1 MiB")
    held = arena.alloc(PAGE)
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    with caplog.at_level(logging.INFO):
        assert arena.reap() == 1
    [record] = [record for record in caplog.records if record.name == "pagebuddy"]
    assert record.levelno == logging.INFO
    assert f"reaped 1 dead process ({pid} " in record.getMessage()
    assert record.getMessage().endswith("; freed 0 buffers of 0 bytes")
    del held


def test_a_program_without_logging_prints_nothing(Arena, name, die, environment):
    script = "import sys, pagebuddy; pagebuddy.Arena.attach(sys.argv[1]).reap()"
    with Arena.create(name, "1 MiB"):
        die(name)
        done = subprocess.run(
            [sys.executable, "-c", script, name], env=environment, capture_output=True, timeout=60
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_importing_the_package_does_not_import_logging():
    script = "import sys, pagebuddy; sys.exit('logging' in sys.modules)"
    path = str(Path(pagebuddy.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], env=os.environ | {"PYTHONPATH": path}, timeout=60
    )
    assert done.returncode == 0
