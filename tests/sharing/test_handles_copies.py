"""Handles of a file that was copied or moved. A copy has the same id."""

from __future__ import annotations

import pickle
import shutil

import pytest

from pagebuddy.errors import StaleHandle
from pagebuddy.sharing.joining.sending import claim


def test_a_handle_belongs_to_the_file_that_it_came_from(Arena, tmp_path):
    first = Arena.file(tmp_path / "first", "1 MiB")
    kept = first.alloc(100, keep="it")
    first.flush()
    shutil.copy(tmp_path / "first", tmp_path / "second")
    second = Arena.file(tmp_path / "second")
    assert second["it"].view is not None
    data = kept.__reduce__()[1][0]
    got = claim(data)
    assert got.offset == kept.offset
    assert second.stats().tickets == first.stats().tickets == 0
    with pytest.raises(StaleHandle):
        claim(data)


def test_a_handle_of_a_moved_file_is_claimed_by_an_attached_process(Arena, tmp_path):
    arena = Arena.file(tmp_path / "before", "1 MiB")
    buffer = arena.alloc(100)
    (tmp_path / "before").rename(tmp_path / "after")
    assert pickle.loads(pickle.dumps(buffer)).offset == buffer.offset
