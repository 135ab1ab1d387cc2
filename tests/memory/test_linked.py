"""Named memory and files: how they are published, and which files are refused."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from pagebuddy.errors import ArenaExists, ArenaNotFound
from pagebuddy.memory.file import File
from pagebuddy.memory.linked import Linked
from pagebuddy.memory.named import FOLDER, Named
from pagebuddy.memory.options import Options

NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for two users")


@pytest.fixture(params=["named", "file"])
def place(request, name, tmp_path):
    """A path at which nothing exists yet, and functions that create and open a medium there."""
    if request.param == "named":
        return Place(Path(FOLDER, name), lambda *a: Named.make(name, *a), lambda: Named.open(name))
    path = tmp_path / "store"
    return Place(path, lambda *a: File.make(path, *a), lambda: File.open(path))


class Place(NamedTuple):
    path: Path
    make: Callable[..., Linked]
    open: Callable[[], Linked]


def test_it_cannot_be_found_before_it_is_published(place):
    made = place.make(8192)
    assert not place.path.exists()
    assert not [name for name in os.listdir(place.path.parent) if name.startswith(".pagebuddy-")]
    with pytest.raises(ArenaNotFound, match=str(place.path)):
        place.open()
    made.memory[:5] = b"whole"
    made.publish()
    opened = place.open()
    assert bytes(opened.memory[:5]) == b"whole"
    assert opened.identity == made.identity
    assert opened.size == 8192
    opened.memory[-1] = 9
    assert made.memory[-1] == 9


def test_publishing_does_not_replace_an_existing_file(place):
    first = place.make(4096)
    first.memory[0] = 1
    first.publish()
    first.publish()
    second = place.make(8192)
    with pytest.raises(ArenaExists, match="exists; attach to it"):
        second.publish()
    second.close()
    assert place.open().identity == first.identity
    assert os.stat(place.path).st_nlink == 1


def test_a_medium_that_was_not_published_vanishes(place, left_behind):
    before = left_behind()
    made = place.make(4096)
    made.memory[0] = 1
    made.close()
    assert left_behind() == before


def test_unlinking_removes_the_path_only_if_it_refers_to_this_medium(place):
    first = place.make(4096)
    assert not first.unlink()
    first.publish()
    opened = place.open()
    assert first.is_linked()
    assert first.unlink()
    assert not first.is_linked()
    assert not opened.is_linked()
    assert not opened.unlink()
    first.memory[0] = 5
    assert opened.memory[0] == 5
    second = place.make(4096)
    second.publish()
    assert not first.unlink()
    assert place.path.exists()
    assert second.unlink()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o660, 0o664])
def test_the_umask_does_not_change_the_mode(place, mode):
    old = os.umask(0o077)
    try:
        place.make(4096, Options(mode=mode)).publish()
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(place.path).st_mode) == mode


def test_the_mode_is_0600_by_default(place):
    old = os.umask(0)
    try:
        place.make(4096).publish()
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(place.path).st_mode) == 0o600


def refused(place, reason, left_behind):
    before = left_behind()
    with pytest.raises(ValueError, match=reason):
        place.open()
    assert left_behind() == before


def test_symbolic_links_are_refused(place, tmp_path, left_behind):
    (tmp_path / "target").write_bytes(b"x" * 4096)
    place.path.symlink_to(tmp_path / "target")
    refused(place, "is a symbolic link", left_behind)
    place.path.unlink()
    place.path.symlink_to(tmp_path / "nothing")
    refused(place, "is a symbolic link", left_behind)
    with pytest.raises(ArenaExists):
        place.make(4096).publish()
    assert not (tmp_path / "nothing").exists()


def test_folders_and_pipes_are_refused(place, left_behind):
    place.path.mkdir()
    refused(place, "not a regular file", left_behind)
    place.path.rmdir()
    os.mkfifo(place.path, 0o600)
    refused(place, "not a regular file", left_behind)


def test_empty_files_are_refused(place, left_behind):
    place.path.touch(0o600)
    refused(place, "is empty", left_behind)


def test_files_that_are_writable_by_all_users_are_refused(place, left_behind):
    place.make(4096).publish()
    place.path.chmod(0o602)
    refused(place, "is writable by all users", left_behind)


@as_root
def test_files_of_another_user_are_refused(place, left_behind):
    place.make(4096).publish()
    os.chown(place.path, NOBODY, NOBODY)
    refused(place, f"belongs to user {NOBODY}, and this process runs as user 0", left_behind)


OPEN_AS_NOBODY = """
import os, sys
sys.path[:] = eval(sys.argv[2])
from pagebuddy.memory import soundness
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    os.close(soundness.open_sound(sys.argv[1]))
    print("opened")
except PermissionError as error:
    print("PermissionError", error.filename)
"""


@as_root
@pytest.mark.parametrize(("mode", "told"), [(0o600, "PermissionError {}"), (0o660, "opened")])
def test_another_user_needs_permission_and_trusts_root(name, mode, told):
    made = Named.make(name, 4096, Options(mode=mode))
    made.publish()
    os.chown(made.path, 0, NOBODY)
    done = subprocess.run(
        [sys.executable, "-c", OPEN_AS_NOBODY, made.path, repr(sys.path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == (told.format(made.path), "")


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".hidden", "a/b", "/dev/shm/a", "a b", "ä", "a\n", "a\0b", "x" * 101, "a:b"],
)
def test_invalid_names_are_refused(name):
    for use in (lambda: Named.make(name, 4096), lambda: Named.open(name)):
        with pytest.raises(ValueError, match="use 1 to 100 letters"):
            use()


@pytest.mark.parametrize("name", [None, 3, b"name", Path("name")])
def test_names_that_are_not_text_are_refused(name):
    with pytest.raises(TypeError, match="must be text"):
        Named.make(name, 4096)


def test_a_name_can_have_100_characters():
    name = f"{os.getpid()}-_.".ljust(100, "z")
    made = Named.make(name, 4096)
    made.publish()
    assert made.unlink()


@pytest.mark.parametrize("path", ["", "folder/"])
def test_paths_that_do_not_name_a_file_are_refused(path):
    with pytest.raises(ValueError, match="must name a file"):
        File.make(path, 4096)


def test_paths_of_a_wrong_type_are_refused():
    with pytest.raises(TypeError, match="must be text or a path object"):
        File.make(b"store", 4096)
    with pytest.raises(TypeError):
        File.make(3, 4096)


def test_a_missing_folder_is_an_error(tmp_path, left_behind):
    before = left_behind()
    with pytest.raises(FileNotFoundError):
        File.make(tmp_path / "missing" / "store", 4096)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        File.make(tmp_path / "file" / "store", 4096)
    (tmp_path / "file").unlink()
    assert left_behind() == before


def test_a_relative_path_survives_a_change_of_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = File.make("store", 4096)
    monkeypatch.chdir("/")
    made.publish()
    made.flush()
    assert (tmp_path / "store").exists()
    assert made.unlink()
    assert not (tmp_path / "store").exists()


def test_flushed_bytes_are_in_the_file(tmp_path):
    made = File.make(tmp_path / "store", 8192)
    made.publish()
    made.memory[:] = b"y" * 8192
    made.flush()
    assert (tmp_path / "store").read_bytes() == b"y" * 8192
