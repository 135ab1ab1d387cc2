"""The verb `replay` on traces that cannot be read: one line says where, and what is allowed."""

from __future__ import annotations

import gzip
import pickle

import pytest

pytestmark = pytest.mark.soak  # each test starts programs

HEADER = "event,pfn,order\n"


BAD_TRACES = {
    "a column too many": (b"event,pfn,order,cpu\n", ", line 1: found 'event,pfn,order,cpu'; "),
    "other columns": (b"op,bytes,id\n1,2,3\n", ", line 1: found 'op,bytes,id'; "),
    "empty": (b"", ": the file is empty; "),
    "negative": (b"event,pfn,order\nalloc,5,0\nfree,-5,0\n", ", line 3: pfn is '-5'; "),
    "order": (b"event,pfn,order\nalloc,5,32\n", ", line 2: order is '32'; "),
    "no number": (b"event,pfn,order\nalloc,five,3\n", ", line 2: pfn is 'five'; "),
    "no event": (b"event,pfn,order\nmove,5,3\n", ", line 2: event is 'move'; "),
    "too few fields": (b"event,pfn,order\nalloc,5\n", ", line 2: found 'alloc,5'; "),
    "ftrace": (
        b"#\n sh-7 [000] . 1.5: mm_page_free: page=0 pfn=x order=0\n",
        ", line 2: pfn is 'x'; ",
    ),
    "bytes": (b"op,id,bytes\nalloc,1,1\nalloc,2,1 KiB\n", ", line 3: bytes is '1 KiB'; "),
    "RMM": (
        b"Thread,Time,Action,Pointer,Size,Stream\n1,x,free,0x1\n",
        ", line 2: found '1,x,free,0x1'; ",
    ),
    "pickle": (pickle.dumps({"device_traces": []})[:-3], ": the pickle cannot be read "),
    "another pickle": (pickle.dumps([1, 2]), ": not a snapshot of PyTorch: "),
    "noise": (b"\x1f\x8b\x08\x00garbage", ", line 1: the gzip data "),
    "cut short": (gzip.compress(HEADER.encode() * 9)[:-9], ", line "),
}


@pytest.mark.parametrize("name", BAD_TRACES)
def test_a_trace_that_cannot_be_read(tmp_path, small, name, refused):
    content, told = BAD_TRACES[name]
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    assert refused("replay", path, "--memory-map", small[1]).startswith(f"{path}{told}")


def test_a_trace_that_is_not_there_or_not_gzip(tmp_path, refused):
    missing, plain = tmp_path / "none.csv", tmp_path / "t.csv.gz"
    plain.write_text(HEADER)
    assert refused("replay", missing).startswith(f"{missing}: No such file or directory; ")
    assert refused("replay", plain).startswith(f"{plain}: the name ends in .gz but ")
