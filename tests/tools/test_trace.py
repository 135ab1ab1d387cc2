"""Reading traces from files: formats, compression, damage."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from pagebuddy.tools import text_file
from pagebuddy.tools.trace import Trace, TraceError

DATA = Path(__file__).parents[2] / "data"
HEADER = b"event,pfn,order\n"
SMALL = HEADER + b"alloc,256,0\nalloc,512,9\nfree,256,0\n"


def read(path):
    return [
        row for part in Trace(path) for row in zip(*(a.tolist() for a in part[:3]), strict=True)
    ]


def wrong(path):
    with pytest.raises(TraceError) as caught:
        list(Trace(path))
    assert str(path) in str(caught.value)
    assert caught.value.advice in str(caught.value)
    return caught.value


@pytest.fixture
def many():
    """A trace of some megabytes, in no order that gzip could use well."""
    chance = random.Random(5)
    lines = [
        b"alloc,%d,%d\n" % (chance.randrange(1 << 30), chance.randrange(9)) for _ in range(200_000)
    ]
    return HEADER + b"".join(lines)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t"])
@pytest.mark.parametrize(
    "text",
    [SMALL, SMALL.rstrip(), SMALL.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + SMALL],
    ids=["plain", "no last newline", "CRLF", "byte order mark"],
)
def test_csv(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text) if name != "t.csv" else text)
    assert read(path) == [(True, 256, 0), (True, 512, 9), (False, 256, 0)]


def test_gzip_members_follow_each_other_and_zeros_may_fill_up(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(SMALL[:20]) + gzip.compress(SMALL[20:]) + bytes(100))
    assert len(read(path)) == 3


def test_a_header_alone_is_a_trace_without_events(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(HEADER)
    assert read(path) == []


@pytest.mark.parametrize(
    ("name", "n_events", "n_allocs"),
    [
        ("kernel-server.csv.gz", 1_274_696, 641_602),
        ("kernel-build.csv.gz", 711_340, 384_804),
        ("ftrace-sample.txt.gz", 4_000, 3_573),
    ],
)
def test_the_recorded_traces(name, n_events, n_allocs):
    trace = Trace(DATA / name)
    assert sum(int(events.is_alloc.sum()) for events in trace) == n_allocs
    assert (trace.n_events, trace.failed, trace.lost, trace.done) == (n_events, 0, 0, 1.0)


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
def test_it_streams(tmp_path, many, compress):
    path = tmp_path / "t"
    path.write_bytes(gzip.compress(many) if compress else many)
    trace = Trace(path)
    shares, sizes = [], []
    for events in trace:
        shares.append(trace.done)
        sizes.append(events.pfn.size)
    assert max(sizes) < 100_000 < sum(sizes) == 200_000
    assert shares == sorted(shares)
    assert shares[0] < shares[-1] == 1.0


def test_stretches_do_not_change_what_is_read(tmp_path, many, monkeypatch):
    path = tmp_path / "t.gz"
    path.write_bytes(gzip.compress(many[: many.index(b"\n", 200_000) + 1]))
    whole = read(path)
    monkeypatch.setattr(text_file, "BLOCK", 1000)
    monkeypatch.setattr(text_file, "COMPRESSED_BLOCK", 777)
    assert len(list(Trace(path))) > 100
    assert read(path) == whole


def test_missing(tmp_path):
    error = wrong(tmp_path / "none.csv")
    assert (error.line, error.found) == (None, "No such file or directory")


def test_a_folder(tmp_path):
    assert wrong(tmp_path).found == "Is a directory"


def test_empty(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"")
    assert wrong(path).found == "the file is empty"
    path.write_bytes(gzip.compress(b""))
    assert wrong(path).found == "the file is empty"


@pytest.mark.parametrize("text", [b"op,id,bytes\n1,2,3\n", b"\x7fELF\x02\n", b"alloc,1,2\n"])
def test_unknown_columns(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_bytes(text)
    error = wrong(path)
    assert error.line == 1
    assert "event,pfn,order" in error.advice


def test_the_line_is_named_in_a_later_stretch(tmp_path, many):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(many + b"alloc,1,77\n" + many))
    error = wrong(path)
    assert (error.line, error.found) == (200_002, "order is '77'")
    assert str(error) == (
        f"{path}, line 200002: order is '77'; allowed is a whole number from 0 to 31"
    )


def test_gzip_cut_short(tmp_path, many):
    path = tmp_path / "t.csv.gz"
    whole = gzip.compress(many)
    for length in (len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        error = wrong(path)
        assert error.found == "the gzip data ends too soon"
        assert error.line is not None
        # Everything up to that line was there to be read.
        start = b"".join(many.splitlines(True)[: error.line - 1])
        assert len(start) > length
    assert error.line == 200_002


def test_gzip_damaged(tmp_path, many):
    path = tmp_path / "t.csv.gz"
    whole = bytearray(gzip.compress(many))
    whole[-6] ^= 1  # in the checksum
    path.write_bytes(whole)
    assert "the gzip data cannot be read" in wrong(path).found


def test_not_gzip(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(SMALL)
    assert wrong(path).found == "the name ends in .gz but the content is not gzip"


def test_a_line_without_an_end(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(SMALL + b"x" * 3_000_000)
    error = wrong(path)
    assert (error.line, error.found) == (5, "a line without an end")


def test_extent(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(SMALL)
    assert Trace(path).extent() == (256, 1024)
    path.write_bytes(HEADER)
    with pytest.raises(TraceError, match="there are no events"):
        Trace(path).extent()
