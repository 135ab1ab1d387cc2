"""A user without permission for an arena gets the system's error, and nothing is changed."""

from __future__ import annotations

import ctypes
import os
import pickle
import stat

import pytest

from pagebuddy.errors import StaleHandle

NOBODY = 54321
DUMPABLE = 4


@pytest.fixture(autouse=True)
def as_root():
    if os.geteuid():
        pytest.skip("only root becomes another user")


def be_nobody():
    """Become another user, who can still read its own /proc."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    ctypes.CDLL(None).prctl(DUMPABLE, 1, 0, 0, 0)


def test_attaching_by_name_is_refused(silent, start, Arena, lock, name):
    def part(child):
        be_nobody()
        child.hear()
        for call in (Arena.attach, lambda name: Arena.open(name, "1 MiB")):
            try:
                call(name)
            except PermissionError as error:
                child.say(error)

    # Started before the arena exists, so that it does not inherit it.
    child = start(part)
    arena = Arena.create(name, "1 MiB", lock=lock)
    assert stat.S_IMODE(os.fstat(arena.fileno()).st_mode) == 0o600
    child.say("attach")
    for _ in range(2):
        assert f"Permission denied: '/dev/shm/{name}'" in child.hear()
    assert child.wait() == 0
    assert len(arena.processes()) == 1
    arena.verify()


def test_a_file_in_a_closed_folder_is_refused(silent, start, Arena, lock, tmp_path):
    path = tmp_path / "closed" / "store"
    path.parent.mkdir(0o700)

    def part(child):
        be_nobody()
        child.hear()
        for size in (None, "1 MiB"):
            try:
                Arena.file(path, size)
            except PermissionError as error:
                child.say(error)

    child = start(part)
    Arena.file(path, "1 MiB", lock=lock).alloc(5, keep="it")
    child.say("attach")
    for _ in range(2):
        assert "Permission denied" in child.hear()
    assert child.wait() == 0
    assert Arena.file(path).keys() == ["it"]


def test_a_handle_refused_for_lack_of_permission_stays_valid(silent, start, Arena, lock, name):
    def part(child):
        be_nobody()
        try:
            pickle.loads(bytes.fromhex(child.hear()))
        except StaleHandle as error:
            child.say(error)

    child = start(part)
    arena = Arena.create(name, "1 MiB", lock=lock)
    data = pickle.dumps(arena.alloc(5))
    child.say(data.hex())
    said = child.hear()
    assert f"the handle's arena, {name}, cannot be attached" in said
    assert "Permission denied" in said
    assert arena.stats().tickets == 1
    assert pickle.loads(data).nbytes == 5


def test_arenas_of_other_users_are_not_trusted(silent, start, Arena, lock, name):
    """Another owner could truncate the file and crash the processes that map it. Root is trusted."""

    def part(child):
        be_nobody()
        arena = Arena.create(name, "1 MiB", lock=lock, mode=0o644)
        child.say("made")
        child.hear()
        arena.unlink()

    child = start(part)
    assert child.hear() == "made"
    with pytest.raises(
        ValueError, match=f"belongs to user {NOBODY}, and this process runs as user 0"
    ):
        Arena.attach(name)
    child.say("end")
    assert child.wait() == 0


def test_a_process_that_drops_privileges_keeps_its_arena(silent, start, Arena, lock, name):
    """Servers start as root, attach, and then drop their privileges; their children must work too."""
    arena = Arena.create(name, "1 MiB", lock=lock)
    mine = arena.alloc(5)
    mine.view[:] = b"hello"

    def part(child):
        be_nobody()
        buffer = arena.alloc(5)
        buffer.view[:] = bytes(mine.view)
        pid = os.fork()
        if not pid:
            assert bytes(buffer.view) == b"hello"
            try:
                said = arena.alloc(5).nbytes
            except OSError as error:
                said = error
            child.say(said)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        buffer.release()
        child.say(bytes(arena.alloc(5, zero=True).view))

    child = start(part)
    # For a file lock the child would have to open the file again, which it is not permitted to do.
    said = child.hear()
    assert said == "5" if lock == "mutex" else "may not open the arena's file again" in said
    assert child.hear() == str(bytes(5))
    assert child.wait() == 0
    arena.reap()
    arena.verify()
    assert arena.stats().used == 1
