"""What a NAME means, and what is refused to be looked at."""

from __future__ import annotations

import os

import pytest

from pagebuddy.arena.looking.files import Foreign, named_arenas, opened, path_of, told
from pagebuddy.errors import ArenaNotFound
from pagebuddy.tools.arenas.lookup import attached


def test_a_name_and_a_path():
    assert path_of("frames") == "/dev/shm/frames"
    assert path_of("../frames") == "../frames"
    with pytest.raises(ValueError, match="letters"):
        path_of("two words")


def test_named_arenas_are_told_from_other_files(arena, name, tmp_path):
    other = f"/dev/shm/{name}-other"
    with open(other, "wb") as file:
        file.write(b"PBARENA2")
    try:
        found = dict(named_arenas())
    finally:
        os.unlink(other)
    assert found[f"/dev/shm/{name}"] is True
    assert other not in found


def test_a_path_is_attached_to_as_a_file(tmp_path):
    path = str(tmp_path / "store.pb")
    from pagebuddy import Arena

    with Arena.file(path, "1 MiB"), attached(path) as arena:
        assert arena.size == 1 << 20
    assert told(path) == path


def test_what_is_no_arena(tmp_path):
    (tmp_path / "text").write_text("PBARENA")
    (tmp_path / "link").symlink_to("text")
    os.mkfifo(tmp_path / "fifo")
    for other in ("text", "link", "fifo", "."):
        with pytest.raises(Foreign, match="is not an arena"):
            opened(str(tmp_path / other))
    with pytest.raises(ArenaNotFound, match="path of an arena's file"):
        opened(str(tmp_path / "none"))


def test_a_file_of_that_name_here_is_told_of(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArenaNotFound, match="pagebuddy ls"):
        opened(path_of(name))
    (tmp_path / name).write_text("")
    with pytest.raises(ArenaNotFound, match=f"write ./{name}"):
        opened(path_of(name))
