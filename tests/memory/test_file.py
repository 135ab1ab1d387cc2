"""Files: what `flush` writes where the file or its folder was moved or removed."""

from __future__ import annotations

import os
import shutil

import pytest

from pagebuddy.memory.file import File


@pytest.fixture
def folder(tmp_path):
    """A folder that can be moved."""
    made = tmp_path / "folder"
    made.mkdir()
    return made


@pytest.fixture
def file(folder):
    """A published file in it."""
    made = File.make(folder / "store", 8192)
    made.publish()
    return made


@pytest.fixture
def synced(monkeypatch):
    """The folders that are synced, in order; they are synced all the same."""
    folders = []
    sync = os.fsync

    def fsync(fd):
        folders.append(os.readlink(f"/proc/self/fd/{fd}"))
        sync(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    return folders


def test_flush_syncs_the_folder_where_the_file_is(file, folder, synced):
    file.flush()
    assert synced == [str(folder)]


@pytest.mark.parametrize("another", [False, True], ids=["nothing", "another file"])
def test_flush_syncs_the_folder_to_which_the_file_was_moved(file, folder, synced, another):
    moved = folder.rename(folder.with_name("moved"))
    if another:
        folder.mkdir()
        (folder / "store").write_text("another")
    file.flush()
    assert synced == [str(moved)]


def test_flush_works_if_the_folder_was_removed(file, folder, synced):
    shutil.rmtree(folder)
    file.memory[0] = 7
    file.flush()
    folder.write_text("a file by now")
    file.flush()
    assert synced == []
