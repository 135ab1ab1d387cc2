"""Writing a trace: it appears whole or not at all, and nothing else does."""

from __future__ import annotations

import gzip
import os
import resource
import stat

import numpy as np
import pytest

from pagebuddy.tools.recording.timed_events import TimedEvents
from pagebuddy.tools.recording.trace_writer import TraceWriter
from pagebuddy.tools.traces.trace import Trace


def some(n=3, n_failed=0):
    served = np.arange(n + n_failed) < n
    page = np.arange(n + n_failed, dtype=np.uint64) + 7
    return TimedEvents(page, page % 2 == 1, served, page, np.zeros(n + n_failed, np.uint8))


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_a_trace_that_replay_reads(tmp_path, name):
    path = tmp_path / name
    with TraceWriter(path) as writer:
        writer.write(some())
        writer.write(some(0))
        writer.write(some(70_000, n_failed=2))
        writer.write_lost(5)
        size = writer.publish()
    assert (writer.n_allocs, writer.n_frees, writer.failed, writer.lost) == (35_002, 35_001, 2, 5)
    trace = Trace(path)
    pages = np.concatenate([events.key for events in trace])
    assert pages.tolist() == [7, 8, 9, *range(7, 70_007)]
    assert (trace.failed, trace.lost) == (2, 5)
    assert path.stat().st_size == size
    assert (path.read_bytes()[:2] == b"\x1f\x8b") is name.endswith(".gz")


def test_no_events(tmp_path):
    with TraceWriter(tmp_path / "t.csv.gz") as writer:
        writer.publish()
    assert gzip.decompress((tmp_path / "t.csv.gz").read_bytes()) == b"event,pfn,order\n"


def test_what_is_not_published_leaves_nothing(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("what was there")

    def fail():
        with TraceWriter(path) as writer:
            writer.write(some())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert path.read_text() == "what was there"
    assert os.listdir(tmp_path) == ["t.csv"]


def test_what_was_there_is_replaced_where_a_link_leads(tmp_path):
    (tmp_path / "old.csv").write_text("what was there")
    (tmp_path / "link.csv").symlink_to("old.csv")
    with TraceWriter(tmp_path / "link.csv") as writer:
        writer.publish()
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "old.csv").read_text() == "event,pfn,order\n"
    assert sorted(os.listdir(tmp_path)) == ["link.csv", "old.csv"]


def test_others_may_read_it_as_the_mask_says(tmp_path):
    before = os.umask(0o027)
    try:
        with TraceWriter(tmp_path / "t.csv") as writer:
            writer.publish()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "t.csv").stat().st_mode) == 0o640


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", "/dev/null"):
        with pytest.raises(ValueError, match="it exists and is not a regular file"):
            TraceWriter(path)


def test_a_folder_that_is_not_there(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match="does not exist"),
        TraceWriter(tmp_path / "a/b"),
    ):
        pass


def test_a_full_disk(tmp_path):
    """What is there stays, and the error says so. A limit to the size of files stands for the disk."""
    path = tmp_path / "t.csv"
    path.write_text("what was there")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill():
        with TraceWriter(path) as writer:
            writer.write(some(70_000))
            writer.publish()

    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text() == "what was there"
    assert os.listdir(tmp_path) == ["t.csv"]
