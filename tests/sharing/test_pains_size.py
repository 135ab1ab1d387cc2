"""Problems of other projects with too little room, each as a test. Numbers are their issues.

Full file systems are tested in `tests/arena/test_full_file_system.py` and its neighbour.
"""

from __future__ import annotations

import os

import pytest

from pagebuddy.errors import CorruptMetadata, OutOfPages
from pagebuddy.memory.named import FOLDER


def test_a_size_without_room_is_an_error_and_not_a_signal(silent, Arena):
    """cpython 114390; pytorch 5040, 108861; ray 14182, 15951: SIGBUS at a later access."""
    with pytest.raises(OutOfPages) as caught:
        Arena("7 TiB", lock="file", reserve=True)
    assert caught.value.requested >= 7 << 28


def test_a_truncated_arena_is_refused(silent, Arena, tmp_path):
    """The same, because the file was truncated."""
    path = tmp_path / "store"
    Arena.file(path, "1 MiB", lock="file").close()
    os.truncate(path, 300_000)
    with pytest.raises(CorruptMetadata):
        Arena.file(path)


def test_reserved_pages_are_allocated_by_the_system(silent, Arena):
    """sglang 30602."""
    arena = Arena("4 MiB", lock="file", reserve=True)
    assert os.fstat(arena.fileno()).st_blocks * 512 >= 4 << 20
    lazy = Arena("4 MiB", lock="file")
    assert os.fstat(lazy.fileno()).st_blocks * 512 < 1 << 20


def test_an_anonymous_arena_is_not_in_dev_shm(silent, Arena):
    """triton-inference-server 5681, 4869, 6156, 6195: /dev/shm had only 64 MB. cpython 81366: memfd."""
    arena = Arena("1 MiB", lock="file")
    assert os.fstat(arena.fileno()).st_dev != os.stat(FOLDER).st_dev
    assert os.readlink(f"/proc/self/fd/{arena.fileno()}").startswith("/memfd:")
