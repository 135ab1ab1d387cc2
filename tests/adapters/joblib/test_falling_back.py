"""Where an arena cannot be used, loops run as joblib alone runs them, and this is counted."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("joblib")

from joblib import Parallel, delayed

import pagebuddy as pb
from tests.adapters.joblib import tasks

LARGE = 300_000


@pytest.fixture
def small():
    """An arena in which there is room for few arrays."""
    return pb.Arena("4 MiB")


def test_without_room_arguments_travel_in_files(fallbacks, small, loop, caplog):
    array = np.arange(3 * LARGE)
    answers = loop([delayed(tasks.seen)(array)] * 4, arena=small)
    assert {(kind, writable) for kind, writable, _ in answers} == {(np.memmap, False)}
    assert set(fallbacks.counts) == {"full"}
    assert caplog.text.count("the arena is full") == 1


def test_without_room_results_travel_as_bytes_or_in_files(fallbacks, small, loop):
    # Two of these do not fit.
    results = loop((delayed(np.full)(LARGE, n) for n in range(6)), arena=small)
    assert [result[-1] for result in results] == [*range(6)]
    assert fallbacks.counts["full"] >= 4
    texts = loop((delayed(str.ljust)(str(n), 10 * LARGE) for n in range(6)), arena=small)
    assert [len(text) for text in texts] == [10 * LARGE] * 6


def test_without_room_tasks_travel_in_files(fallbacks, small, loop):
    texts = ["x" * 20 * LARGE] * 2
    assert loop((delayed(len)(text) for text in texts), arena=small) == [20 * LARGE] * 2
    assert fallbacks.counts == {"full": 2}


def test_no_files_are_left(small, loop, tmp_path):
    texts = ["x" * 20 * LARGE] * 4
    loop((delayed(str.upper)(text) for text in texts), arena=small, temp_folder=str(tmp_path))
    left = [files for _, _, files in os.walk(tmp_path) if files]
    assert left == []


def test_without_an_arena_loky_is_used(fallbacks, loop, caplog):
    other = pb.Arena("1 MiB")
    other.close()
    few = pb.Arena("1 MiB")
    assert loop((delayed(pow)(n, 2) for n in range(4)), arena="pagebuddy-missing") == [0, 1, 4, 9]
    assert loop((delayed(pow)(n, 2) for n in range(4)), arena=other) == [0, 1, 4, 9]
    parallel = Parallel(60, backend="pagebuddy", arena=few)
    with parallel:
        assert type(parallel._backend).__name__ == "LokyBackend"
    with Parallel(2, backend="pagebuddy", size="9 EiB") as parallel:
        assert type(parallel._backend).__name__ == "LokyBackend"
    assert fallbacks.counts == {"loky": 4}
    assert caplog.text.count("the backend loky is used instead") == 1


def test_an_arena_that_this_process_only_reads_is_not_used(fallbacks, loop):
    name = f"pagebuddy-joblib-{os.getpid()}"
    pb.Arena.create(name, "1 MiB").close()
    try:
        readonly = pb.Arena.attach(name, readonly=True)
        assert loop((delayed(pow)(n, 2) for n in range(4)), arena=readonly) == [0, 1, 4, 9]
    finally:
        os.unlink(f"/dev/shm/{name}")
    assert fallbacks.counts == {"loky": 1}


@pytest.mark.parametrize(
    ("before", "says"),
    [
        ("sys.modules['joblib'] = None", r"pip install 'pagebuddy\[joblib\]'"),
        (
            "import joblib; joblib.__version__ = '1.4.2'",
            "1.4.2 is installed; .* joblib 1.5 and later",
        ),
    ],
)
def test_what_is_missing_is_said(before, says):
    program = f"import sys; {before}; import pagebuddy.adapters.joblib"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    with pytest.raises(ImportError, match=says):
        raise ImportError(done.stderr)
