"""Reading traces from files: formats, compression, damage."""

from __future__ import annotations

import gzip
import os
import random
import threading
from pathlib import Path

import pytest

from pagebuddy.tools.traces import content
from pagebuddy.tools.traces.events import UNTOLD, Unit
from pagebuddy.tools.traces.trace import Trace, TraceError

DATA = Path(__file__).parents[3] / "data"
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
def test_a_csv_file_is_read_plain_or_compressed_with_any_line_ends(tmp_path, name, text):
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
def test_the_recorded_traces_are_read_to_their_ends(name, n_events, n_allocs):
    trace = Trace(DATA / name)
    assert sum(int(events.is_alloc.sum()) for events in trace) == n_allocs
    assert (trace.n_events, trace.failed, trace.lost, trace.done) == (n_events, 0, 0, 1.0)


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
def test_events_come_in_parts_and_the_share_that_is_read_grows(tmp_path, many, compress):
    path = tmp_path / "t"
    path.write_bytes(gzip.compress(many) if compress else many)
    trace = Trace(path)
    shares, sizes = [], []
    for events in trace:
        shares.append(trace.done)
        sizes.append(events.key.size)
    assert max(sizes) < 100_000 < sum(sizes) == 200_000
    assert shares == sorted(shares)
    assert shares[0] < shares[-1] == 1.0


def test_stretches_do_not_change_what_is_read(tmp_path, many, monkeypatch):
    path = tmp_path / "t.gz"
    path.write_bytes(gzip.compress(many[: many.index(b"\n", 200_000) + 1]))
    whole = read(path)
    monkeypatch.setattr(content, "BLOCK", 1000)

    assert len(list(Trace(path))) > 100
    assert read(path) == whole


def test_a_missing_file_is_refused(tmp_path):
    error = wrong(tmp_path / "none.csv")
    assert (error.line, error.found) == (None, "No such file or directory")


def test_a_folder_is_refused(tmp_path):
    assert wrong(tmp_path).found == "Is a directory"


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"")
    assert wrong(path).found == "the file is empty"
    path.write_bytes(gzip.compress(b""))
    assert wrong(path).found == "the file is empty"


@pytest.mark.parametrize("text", [b"op,bytes,id\n1,2,3\n", b"\x7fELF\x02\n", b"alloc,1,2\n"])
def test_unknown_columns_are_refused_with_the_known_ones(tmp_path, text):
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
        f"{path}, line 200002: order is '77'; expected a whole number from 0 to 31"
    )


def test_gzip_data_that_is_cut_short_is_told_with_the_line(tmp_path, many):
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


def test_damaged_gzip_data_is_refused(tmp_path, many):
    path = tmp_path / "t.csv.gz"
    whole = bytearray(gzip.compress(many))
    whole[-6] ^= 1  # in the checksum
    path.write_bytes(whole)
    assert "the gzip data cannot be read" in wrong(path).found


def test_anything_but_zeros_after_the_last_gzip_member_is_damage(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(SMALL) + b"garbage")
    assert "the gzip data cannot be read" in wrong(path).found


def test_a_gzip_file_with_a_wrong_checksum_is_damaged(tmp_path):
    path = tmp_path / "t.csv.gz"
    whole = bytearray(gzip.compress(SMALL))
    whole[-8] ^= 1
    path.write_bytes(whole)
    assert "the gzip data cannot be read" in wrong(path).found


def test_a_name_in_gz_with_other_content_is_refused(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(SMALL)
    assert wrong(path).found == "the name ends in .gz but the content is not gzip"


def test_a_line_without_an_end_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(SMALL + b"x" * 3_000_000)
    error = wrong(path)
    assert (error.line, error.found) == (5, "the line is longer than 65,536 bytes")


RMM = b"Thread,Time,Action,Pointer,Size,Stream\n"
FORMATS = {
    "page CSV": (SMALL, [(True, 256, 0), (True, 512, 9), (False, 256, 0)]),
    "byte CSV": (b"op,id,bytes\nalloc,7,100\nfree,0x7,\n", [(True, 7, 100), (False, 7, UNTOLD)]),
    "RMM log": (RMM + b"9,10:00:00.000001,allocate,0x7f00,1500,0x0\n", [(True, 0x7F00, 1500)]),
    "ftrace text": (
        b"# tracer: nop\n sh-7 [000] .... 1.5: mm_page_free: page=0 pfn=0x1f order=2\n",
        [(False, 31, 2)],
    ),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_the_content_tells_the_format(tmp_path, name, compress):
    text, expected = FORMATS[name]
    path = tmp_path / "anything"
    path.write_bytes(compress(text))
    assert read(path) == expected
    trace = Trace(path)
    list(trace)
    assert trace.format == name
    assert trace.unit is (Unit.BYTES if name in ("byte CSV", "RMM log") else Unit.ORDERS)


def test_sizes_are_converted_to_bytes_by_the_page_size(tmp_path):
    path = tmp_path / "t.csv"
    for text, page_size, expected in (
        (SMALL, 4096, [4096, 4096 << 9]),
        (SMALL, 65536, [65536, 65536 << 9]),
        (FORMATS["byte CSV"][0], 4096, [100]),
    ):
        path.write_bytes(text)
        trace = Trace(path, page_size=page_size)
        (events,) = trace
        assert trace.bytes_of(events.size[events.is_alloc]).tolist() == expected


def test_only_snapshots_have_devices(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(SMALL)
    with pytest.raises(TraceError, match="the format is page CSV; only snapshots"):
        list(Trace(path, device=0))


def test_the_recorded_page_size_is_a_power_of_two(tmp_path):
    with pytest.raises(ValueError, match="recorded page size is 5000"):
        Trace(tmp_path, page_size=5000)


def disordered(path, text):
    path.write_bytes(text)
    trace = Trace(path)
    list(trace)
    return trace.disordered


def test_lines_out_of_order_are_counted(tmp_path, monkeypatch):
    path = tmp_path / "t"
    head = b" sh-7 [000] .... %s: mm_page_free: page=0 pfn=0x1f order=2\n"
    times = [b"9.000002", b"9.000001", b"9.000001", b"1:2", b"10.500000", b"9.900000"]
    text = b"# tracer: nop\n" + b"".join(head % time for time in times)
    for block in (1 << 20, 70):
        monkeypatch.setattr(content, "BLOCK", block)
        assert disordered(path, text) == 2
    assert disordered(path, SMALL) == 0  # there is no time in it


def test_midnight_is_not_out_of_order(tmp_path):
    line = b"1,%s,allocate,0x100,1,0\n"
    times = [b"23:59:59.999999", b"00:00:00.000000", b"00:00:01.000000", b"00:00:00.500000"]
    text = RMM + b"".join(line % time for time in times)
    assert disordered(tmp_path / "t", text) == 1


def test_the_recorded_traces_are_in_order():
    trace = Trace(DATA / "ftrace-sample.txt.gz")
    list(trace)
    assert trace.disordered == 0


def test_a_trace_can_be_read_from_a_pipe(tmp_path):
    """Nothing is read twice, so a trace may come from another program."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(gzip.compress(SMALL),))
    writer.start()
    assert len(read(path)) == 3
    writer.join()
