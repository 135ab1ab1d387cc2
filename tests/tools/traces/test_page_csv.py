"""Reading CSV page traces: what a line may be, and which line is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagebuddy.tools.traces.events import MAX_ORDER, MAX_PFN, BadLine
from pagebuddy.tools.traces.page_csv import parse


def rows(events):
    kinds = ["alloc" if is_alloc else "free" for is_alloc in events.is_alloc.tolist()]
    return list(zip(kinds, events.key.tolist(), events.size.tolist(), strict=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", []),
        (b"alloc,0,0\n", [("alloc", 0, 0)]),
        (b"free,2005299,9\n", [("free", 2005299, 9)]),
        (b"alloc,0007,031\n", [("alloc", 7, 31)]),
        (b"alloc,9223372036854775807,31\n", [("alloc", MAX_PFN, MAX_ORDER)]),
        (b"alloc,1,2\r\nfree,1,2\r\n", [("alloc", 1, 2), ("free", 1, 2)]),
        (b"\n# a, b, comment\nalloc,1,2\n\n", [("alloc", 1, 2)]),
    ],
)
def test_lines(text, expected):
    assert rows(parse(text)) == expected


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"alloc,5", "found 'alloc,5'"),
        (b"alloc,5,0,0", "found 'alloc,5,0,0'"),
        (b"alloc", "found 'alloc'"),
        (b",,", "event is ''"),
        (b"allot,5,0", "event is 'allot'"),
        (b"Alloc,5,0", "event is 'Alloc'"),
        (b" alloc,5,0", "event is ' alloc'"),
        (b"allocfree,5,0", "event is 'allocfree'"),
        (b"free,,0", "pfn is ''"),
        (b"free,-5,0", "pfn is '-5'"),
        (b"free,0x5,0", "pfn is '0x5'"),
        (b"free,5.0,0", "pfn is '5.0'"),
        (b"free, 5,0", "pfn is ' 5'"),
        (b"free,9223372036854775808,0", "pfn is '9223372036854775808'"),
        (b"free,18446744073709551617,0", "pfn is '18446744073709551617'"),
        (b"free,5,", "order is ''"),
        (b"free,5,-1", "order is '-1'"),
        (b"free,5,32", "order is '32'"),
        (b"free,5,256", "order is '256'"),
        (b"free,5,one", "order is 'one'"),
        (b"free,5,1\x00", "order is '1\\x00'"),
        (b"free,5,\xb2", "order is '\\xb2'"),
    ],
)
def test_the_first_wrong_line_is_named(line, found):
    text = b"alloc,1,0\n# comment\n\n" + line + b"\nfree,1,nonsense\n"
    with pytest.raises(BadLine) as caught:
        parse(text)
    assert (caught.value.index, caught.value.found) == (3, found)
    assert caught.value.advice


def one_by_one(text):
    """The same, a line at a time: the rows, or the index of the first wrong line."""
    found = []
    for index, line in enumerate(text.split(b"\n")[:-1]):
        if not line or line.startswith(b"#"):
            continue
        fields = line.split(b",")
        good = (
            len(fields) == 3
            and fields[0] in (b"alloc", b"free")
            and all(field.isdigit() and len(field) <= 19 for field in fields[1:])
            and int(fields[1]) <= MAX_PFN
            and int(fields[2]) <= MAX_ORDER
        )
        if not good:
            return index
        found.append((fields[0].decode(), int(fields[1]), int(fields[2])))
    return found


LINES = st.tuples(
    st.sampled_from([b"alloc,", b"free,"]) | st.text("alocfre,#", max_size=6).map(str.encode),
    st.integers(-1, 2**64).map(lambda n: str(n).encode()),
    st.sampled_from([b",0", b",31", b",32", b",", b""])
    | st.text("0123,x", max_size=3).map(str.encode),
).map(b"".join)


@given(st.lists(LINES, max_size=6))
def test_whole_columns_at_once_read_as_line_by_line_does(lines):
    text = b"".join(line + b"\n" for line in lines)
    try:
        result = rows(parse(text))
    except BadLine as bad:
        result = bad.index
    assert result == one_by_one(text)
