"""Reading CSV of allocations in bytes: what a line may be, and which line is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagebuddy.tools.traces.byte_csv import parse
from pagebuddy.tools.traces.events import MAX_BYTES, MAX_PFN, UNTOLD, BadLine


def rows(text):
    events = parse(text)
    kinds = ["alloc" if is_alloc else "free" for is_alloc in events.is_alloc.tolist()]
    return list(zip(kinds, events.key.tolist(), events.size.tolist(), strict=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", []),
        (b"alloc,0,0\n", [("alloc", 0, 0)]),
        (b"alloc,7,1500\nfree,7,1500\n", [("alloc", 7, 1500), ("free", 7, 1500)]),
        (b"free,7,\n", [("free", 7, UNTOLD)]),
        (b"alloc,0x7f00,1\nfree,32512,\r\n", [("alloc", 0x7F00, 1), ("free", 0x7F00, UNTOLD)]),
        (b"alloc,0xFFFFffffFFFFffff,1\n", [("alloc", 2**64 - 1, 1)]),
        (b"alloc,%d,%d\n" % (MAX_PFN, MAX_BYTES), [("alloc", MAX_PFN, MAX_BYTES)]),
        (b"\n# op, id, bytes\nalloc,1,2\n\n", [("alloc", 1, 2)]),
    ],
)
def test_lines(text, expected):
    assert rows(text) == expected


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"alloc,5", "found 'alloc,5'"),
        (b"alloc,5,1,1", "found 'alloc,5,1,1'"),
        (b"malloc,5,1", "op is 'malloc'"),
        (b"alloc,,1", "id is ''"),
        (b"alloc,five,1", "id is 'five'"),
        (b"alloc,-5,1", "id is '-5'"),
        (b"alloc,7f,1", "id is '7f'"),
        (b"alloc,0x,1", "id is '0x'"),
        (b"alloc,0x0123456789abcdef0,1", "id is '0x0123456789abcdef0'"),
        (b"alloc,9223372036854775808,1", "id is '9223372036854775808'"),
        (b"alloc,5,", "bytes is ''"),
        (b"alloc,5,1.5", "bytes is '1.5'"),
        (b"free,5,0x10", "bytes is '0x10'"),
        (b"alloc,5,2305843009213693953", "bytes is '2305843009213693953'"),
    ],
)
def test_the_first_wrong_line_is_named(line, found):
    with pytest.raises(BadLine) as caught:
        parse(b"alloc,1,0\n# comment\n\n" + line + b"\nfree,1,nonsense\n")
    assert (caught.value.index, caught.value.found) == (3, found)
    assert caught.value.advice


@given(st.lists(st.tuples(st.booleans(), st.integers(0, MAX_PFN), st.integers(0, MAX_BYTES))))
def test_what_is_written_is_read(events):
    lines = [
        f"{'alloc' if is_alloc else 'free'},{hex(key) if key % 2 else key},{size}\n"
        for is_alloc, key, size in events
    ]
    found = rows("".join(lines).encode())
    assert [(kind == "alloc", key, size) for kind, key, size in found] == events
