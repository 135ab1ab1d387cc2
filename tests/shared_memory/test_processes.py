"""Segments between processes: first use, forks, deaths, users, and arenas that cannot be used."""

from __future__ import annotations

import errno
import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pagebuddy.memory.named import FOLDER

is_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def in_child(function, *arguments):
    """Run a function in a forked child; return its exit status, 0 if it returned."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            function(*arguments)
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def reap(shm):
    shm.Arena.attach(shm._users_arena().medium.place).reap()


def users_arena(shm):
    return Path(FOLDER, shm._name_for(os.geteuid()))


def test_processes_that_use_it_first_at_once_share_one_arena(run, start, arenas):
    assert run("first_use", start) == "5 processes\n"
    assert arenas() == 1


def test_nothing_is_said_or_removed_at_exit(run, shm):
    name = run("leave", "100").strip()
    segment = shm.SharedMemory(name)
    assert bytes(segment.buf[:5]) == b"hello"
    segment.unlink()


def test_a_forked_child_has_the_segments_of_its_parent(shm):
    segment = shm.SharedMemory(create=True, size=100)

    def child():
        segment.buf[:5] = b"hello"
        segment.close()
        shm.SharedMemory("of the child", create=True, size=100).buf[:5] = b"child"

    assert in_child(child) == 0
    assert bytes(segment.buf[:5]) == b"hello"
    assert bytes(shm.SharedMemory("of the child").buf[:5]) == b"child"
    assert shm.SharedMemory(segment.name).size == 100


def test_forked_children_choose_other_names(shm, tmp_path):
    def child():
        (tmp_path / "name").write_text(shm._make_filename())

    assert in_child(child) == 0
    assert (tmp_path / "name").read_text() != shm._make_filename()


@pytest.mark.parametrize("size", [100, 300_000])
def test_a_killed_process_leaves_its_segments_and_no_more(shm, small, used, arenas, size):
    shm.SharedMemory("mine", create=True, size=size)

    def child():
        mine, own = shm.SharedMemory("mine"), shm.SharedMemory("own", create=True, size=size)
        mine.buf[0] = own.buf[0] = 7
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(child) == -signal.SIGKILL
    assert shm.SharedMemory("mine").buf[0] == shm.SharedMemory("own").buf[0] == 7
    for name in ("mine", "own"):
        shm.SharedMemory(name).unlink()
    reap(shm)
    assert (used(), arenas()) == (0, 1)


@pytest.mark.parametrize("where", ["_made_apart", "keep_under", "_error"])
@pytest.mark.parametrize("size", [100, 300_000])
def test_the_name_is_free_if_the_creator_of_a_large_segment_was_killed(
    shm, small, used, arenas, monkeypatch, where, size
):
    shm.SharedMemory("another", create=True, size=300_000)

    def child():
        def die(*_):
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(shm, where, die)
        # For `_error`: the name is taken.
        name = "another" if where == "_error" else "large"
        shm.SharedMemory(name, create=True, size=300_000)

    assert in_child(child) == -signal.SIGKILL
    with pytest.raises(FileNotFoundError):
        shm.SharedMemory("large")
    segment = shm.SharedMemory("large", create=True, size=size)
    assert bytes(segment.buf) == bytes(size)
    segment.close()
    segment.unlink()
    shm.SharedMemory("another").unlink()
    reap(shm)
    assert (used(), arenas()) == (0, 1)


def test_the_name_is_free_if_a_large_segment_was_unlinked_by_half(shm, small, used, arenas):
    shm.SharedMemory("large", create=True, size=300_000).buf[0] = 7

    def child():
        def die(*_):
            os.kill(os.getpid(), signal.SIGKILL)

        shm.keep_under = die
        shm.SharedMemory("large").unlink()

    assert in_child(child) == -signal.SIGKILL
    with pytest.raises(FileNotFoundError):
        shm.SharedMemory("large")
    assert shm.SharedMemory("large", create=True, size=300_000).buf[0] == 0


def test_an_arena_that_was_removed_is_looked_for_again(shm):
    shm.SharedMemory(create=True, size=100)
    users_arena(shm).unlink()

    def child():
        shm._attached.clear()
        shm.SharedMemory("new", create=True, size=100).buf[:5] = b"hello"

    assert in_child(child) == 0
    assert bytes(shm.SharedMemory("new").buf[:5]) == b"hello"


@is_root
def test_other_users_have_other_segments(shm):
    segment = shm.SharedMemory("mine", create=True, size=100)

    def child():
        os.setuid(12345)
        with pytest.raises(FileNotFoundError):
            shm.SharedMemory("mine")
        shm.SharedMemory("mine", create=True, size=100).buf[:5] = b"other"

    assert in_child(child) == 0
    assert bytes(segment.buf[:5]) == bytes(5)


@is_root
def test_an_arena_of_another_user_is_not_used(shm, caplog):
    path = users_arena(shm)
    path.write_bytes(b"trap")
    os.chown(path, 12345, 12345)
    segment = shm.SharedMemory("mine", create=True, size=100)
    assert shm.SharedMemory("mine").size == segment.size
    assert path.read_bytes() == b"trap"
    assert ["cannot be used" in record.message for record in caplog.records] == [True]


@pytest.mark.parametrize("content", [b"not an arena", b""])
def test_what_is_not_an_arena_is_not_used(shm, content, caplog):
    users_arena(shm).write_bytes(content)
    shm.SharedMemory("mine", create=True, size=100)
    assert shm.SharedMemory("mine").size == 100
    assert len(caplog.records) == 1


def test_without_any_arena_permission_is_denied(shm):
    path = users_arena(shm)
    path.write_bytes(b"trap")
    Path(f"{path}-{shm.pid_namespace()[1]}").write_bytes(b"trap")
    with pytest.raises(PermissionError, match=r"neither .* nor .* can be used"):
        shm.SharedMemory("mine", create=True, size=100)


@pytest.mark.soak
@pytest.mark.one_engine
def test_more_processes_than_the_arena_has_slots_are_an_error_of_the_system(shm, monkeypatch):
    monkeypatch.setattr(shm, "SLOTS", 48)
    shm.SharedMemory("mine", create=True, size=100)
    shm._attached.clear()
    gc.collect()
    came, stay = os.pipe(), os.pipe()
    pids = []
    for _ in range(48):
        pid = os.fork()
        if not pid:
            os.close(stay[1])
            try:
                shm.SharedMemory("mine").close()
                os.write(came[1], b"y")
            except OSError as error:
                os.write(came[1], b"n" if error.errno == errno.ENFILE else b"?")
            os.read(stay[0], 1)
            os._exit(0)
        pids.append(pid)
    said = b""
    while len(said) < 48:
        said += os.read(came[0], 48)
    for end in (*came, *stay):
        os.close(end)
    for pid in pids:
        os.waitpid(pid, 0)
    assert (said.count(b"y"), said.count(b"n")) == (47, 1)


def test_the_package_does_not_import_it():
    code = (
        "import sys, pagebuddy; "
        "print({'multiprocessing.shared_memory', 'pagebuddy.shared_memory'} & set(sys.modules)); "
        "from pagebuddy import shared_memory; print(shared_memory.__all__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n['SharedMemory', 'ShareableList']\n"
