"""Reading RMM's logs, as its versions write them."""

from __future__ import annotations

import pytest

from pagebuddy.tools.traces.events import BadLine
from pagebuddy.tools.traces.rmm_log import parse

HEAD = b"31627,14:21:19.998533,"
NOON = (14 * 3600 + 21 * 60 + 19) * 10**6 + 998533


def rows(text):
    events = parse(text)
    kinds = ["alloc" if is_alloc else "free" for is_alloc in events.is_alloc.tolist()]
    return list(zip(kinds, events.key.tolist(), events.size.tolist(), strict=True))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (b"allocate,0x7fb5c2000000,1048576,0x2", [("alloc", 0x7FB5C2000000, 1048576)]),
        (b"allocate,7fb5c2000000,1048576,0", [("alloc", 0x7FB5C2000000, 1048576)]),
        (b"free,0x7fb5c2000000,256,cudaStreamPerThread", [("free", 0x7FB5C2000000, 256)]),
        (b"allocate,30a000000,256,2", [("alloc", 0x30A000000, 256)]),
        (b"allocate,0x0,0,0x0", []),
        (b"allocate,(nil),0,0x0", []),
        (b"free,(nil),0,0x0", []),
    ],
)
def test_events(fields, expected):
    assert rows(HEAD + fields + b"\n") == expected


@pytest.mark.parametrize("pointer", [b"0x0", b"0", b"(nil)"])
def test_failures_are_counted(pointer):
    events = parse(HEAD + b"allocate failure,%s,9999,0x0\n" % pointer)
    assert (events.failed, events.key.size) == (1, 0)


def test_times():
    lines = [HEAD + b"free,0x1,1,0\n", b"1,00:00:00.000007,free,0x1,1,0\n", b"1,x,free,0x1,1,0\n"]
    lines += [b"1,1634567890.123456,free,0x1,1,0\n", HEAD + b"allocate failure,0x0,1,0\n"]
    assert parse(b"".join(lines)).time.tolist() == [NOON, 7, -1, -1]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (HEAD + b"allocate,0x1,256", f"found '{HEAD.decode()}allocate,0x1,256'"),
        (HEAD + b"deallocate,0x1,256,0", "Action is 'deallocate'"),
        (HEAD + b"free,here,256,0", "Pointer is 'here'"),
        (HEAD + b"free,0x,256,0", "Pointer is '0x'"),
        (HEAD + b"free,0x1,0x100,0", "Size is '0x100'"),
        (HEAD + b"free,0x1,,0", "Size is ''"),
        (HEAD + b"allocate failure,0x0,-1,0", "Size is '-1'"),
    ],
)
def test_the_first_wrong_line_is_named(line, found):
    with pytest.raises(BadLine) as caught:
        parse(HEAD + b"free,0x1,1,0\n" + line + b"\n\n" + line + b"\n")
    assert (caught.value.index, caught.value.found) == (1, found)
    assert caught.value.advice
