"""The variants that a command line names."""

from __future__ import annotations

import pytest

from pagebuddy.tools.replaying.variant import Policy
from pagebuddy.tools.replaying.variants import variants_of, with_ranges
from pagebuddy.tools.traces.trace import Trace


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("4096", None, None), [(4096, None, None)]),
        (("4096", "9,10, 18", None), [(4096, order, None) for order in (9, 10, 18)]),
        (
            ("4 KiB,2MiB", "9", "exact,blocks"),
            [(n, 9, policy) for n in (4096, 2 << 20) for policy in Policy],
        ),
    ],
)
def test_every_one_with_every_other(texts, expected):
    found = variants_of(*texts)
    assert [(each.page_size, each.max_order, each.policy) for each in found] == expected


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (("4097", None, None), "page_size is 4097; it must be a power of two"),
        (("4096,", None, None), "page_size is ''"),
        (("4096,4 KiB", None, None), "page_size is '4096,4 KiB', which repeats a value"),
        (("2 TiB", None, None), "page_size is 2199023255552; it must be at most"),
        (("4096", "9;10", None), "max_order is '9;10'; expected a whole number from 0 to 31"),
        (("4096", "32", None), "max_order is '32'"),
        (("4096", "9,9", None), "max_order is '9,9', which repeats a value"),
        (("4096", None, "best"), "policy is 'best'; expected exact or blocks"),
    ],
)
def test_what_cannot_be(texts, told):
    with pytest.raises(ValueError, match=told):
        variants_of(*texts)


def test_ranges(tmp_path):
    trace, memory_map = tmp_path / "t.csv", tmp_path / "iomem"
    trace.write_text("op,id,bytes\nalloc,1,70000\n")
    memory_map.write_text("00001000-0009fbff : System RAM\n")
    variants = variants_of("4096,65536", None, None)

    def found(*memory):
        return [list(each.ranges) for each in with_ranges(variants, Trace(trace), *memory)]

    assert found(memory_map, None) == [[(1, 0x9E)], [(1, 8)]]
    assert found(None, "1 MiB") == [[(0, 256)], [(0, 16)]]
    assert found(None, None) == [[(0, 64)], [(0, 4)]]
    with pytest.raises(ValueError, match="--memory and --memory-map were both given"):
        found(memory_map, "1 MiB")
