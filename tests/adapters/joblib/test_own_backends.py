"""joblib's own backends send large arrays of shared arenas as handles."""

from __future__ import annotations

import os

import numpy as np
import pytest

pytest.importorskip("joblib")

from joblib import Parallel, delayed

import pagebuddy as pb
from tests.adapters.joblib import tasks

LARGE = 300_000


@pytest.fixture
def named():
    """An arena with a name, and with one array."""
    name = f"pagebuddy-joblib-{os.getpid()}"
    arena = pb.Arena.create(name, "16 MiB")
    yield arena
    arena.unlink()


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_an_array_in_an_arena_is_not_written_to_a_file(named, backend):
    array = named.full(LARGE, 3.0)
    answers = Parallel(2, backend=backend)(delayed(tasks.seen_alone)(array[5:]) for _ in range(6))
    assert answers == [(np.ndarray, False, 3.0)] * 6
    assert named.stats().tickets == 0


def test_tasks_write_to_the_arena_if_the_mode_says_so(named):
    array = named.zeros(LARGE)
    Parallel(2, backend="loky", mmap_mode="r+")(delayed(tasks.stored)(array) for _ in range(2))
    assert array[0] == 7


def test_buffers_of_an_arena_are_handles(named):
    buffer = named.alloc(5000)
    buffer.view[:4] = b"four"
    answers = Parallel(2, backend="loky")(delayed(tasks.first)(buffer) for _ in range(2))
    assert answers == [b"four"] * 2


def test_a_user_who_wants_no_handles_gets_files(named):
    array = named.zeros(LARGE)
    pb.share_arrays(False)
    try:
        [(kind, *_), _] = Parallel(2)(delayed(tasks.seen_alone)(array) for _ in range(2))
    finally:
        pb.share_arrays()
    assert kind is np.memmap


def test_other_arrays_are_sent_as_before(named):
    small, outside = named.zeros(100), np.zeros(LARGE)
    answers = Parallel(2)(delayed(tasks.seen_alone)(each) for each in (small, outside))
    assert answers == [(np.ndarray, True, 0), (np.memmap, False, 0)]
