"""The memory to replay on: from a map, or from the trace itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pagebuddy import PageRanges
from pagebuddy.tools.replaying.ranges import from_map, from_size, from_trace
from pagebuddy.tools.replaying.variant import Policy, Variant
from pagebuddy.tools.traces.trace import Trace, TraceError


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_iomem(tmp_path):
    path = write(tmp_path / "iomem", "00001000-0009fbff : System RAM\n")
    assert list(from_map(path, 4096)) == [(1, 0x9E)]
    assert list(from_map(path, 0x10000)) == [(1, 8)]


def test_names_in_any_encoding(tmp_path):
    path = tmp_path / "iomem"
    path.write_bytes(b"00001000-0009fbff : System RAM\n000a0000-000bffff : caf\xe9\n")
    assert list(from_map(path, 4096)) == [(1, 0x9E)]


def test_e820(tmp_path):
    path = write(tmp_path / "dmesg", "[0.0] BIOS-e820: [mem 0x00000000-0x0009fbff] usable\n")
    assert list(from_map(path, 4096)) == [(0, 0x9F)]


def test_a_folder_of_the_firmware_memmap(tmp_path):
    for name, text in (("start", "0x1000\n"), ("end", "0x8fff\n"), ("type", "System RAM\n")):
        write(tmp_path / "memmap" / "0" / name, text)
    assert list(from_map(tmp_path / "memmap", 4096)) == [(1, 8)]


@pytest.mark.parametrize(
    "text", ["", "00001000-0009fbff : Reserved\n", "00000000-00000000 : System RAM\n"]
)
def test_a_map_without_ram_is_named(tmp_path, text):
    path = write(tmp_path / "iomem", text)
    with pytest.raises(ValueError, match=str(path)):
        from_map(path, 4096)


def test_no_such_map(tmp_path):
    with pytest.raises(FileNotFoundError):
        from_map(tmp_path / "none", 4096)


def from_pages(path, *variants):
    return [list(ranges) for ranges in from_trace(Trace(path), variants)]


def test_page_orders_tell_from_where_to_where(tmp_path):
    path = write(tmp_path / "t.csv", "event,pfn,order\nalloc,5000,0\nalloc,8000,9\n")
    assert from_pages(path, Variant(PageRanges())) == [[(4096, 5120)]]
    small, large = (Variant(PageRanges(), page_size=n) for n in (512, 1 << 23))
    assert from_pages(path, small, large) == [[(4096 * 8, 5120 * 8)], [(2, 3)]]


def test_the_recorded_pages_may_be_larger(tmp_path):
    path = write(tmp_path / "t.csv", "event,pfn,order\nalloc,5000,0\nalloc,8000,9\n")
    (ranges,) = from_trace(Trace(path, page_size=65536), [Variant(PageRanges())])
    assert list(ranges) == [(4096 * 16, 5120 * 16)]


def test_bytes_tell_how_much_is_live_at_once(tmp_path):
    rows = ["alloc,1,4096", "alloc,2,12289", "free,1,", "alloc,3,1", "free,2,", "alloc,9,20000"]
    path = write(tmp_path / "t.csv", "op,id,bytes\n" + "\n".join(rows))
    ranges = PageRanges()
    exact, blocks = Variant(ranges), Variant(ranges, policy=Policy.BLOCKS)
    large = Variant(ranges, page_size=65536)
    # 1 and 4 pages, then 1 and 5: 6 of 4 KiB. In blocks 1 and 8: 9. Twice that:
    assert from_pages(path, exact) == [[(0, 16)]]
    assert from_pages(path, exact, blocks) == [[(0, 32)]] * 2
    assert from_pages(path, exact, large) == [[(0, 64)], [(0, 4)]]


def test_bytes_of_nothing_still_have_a_page(tmp_path):
    path = write(tmp_path / "t.csv", "op,id,bytes\nalloc,1,0\n")
    assert from_pages(path, Variant(PageRanges())) == [[(0, 1)]]


@pytest.mark.parametrize("header", ["event,pfn,order", "op,id,bytes"])
def test_no_events_tell_nothing(tmp_path, header):
    path = write(tmp_path / "t.csv", f"{header}\n")
    with pytest.raises(TraceError, match="the trace has no events"):
        from_pages(path, Variant(PageRanges()))


@pytest.mark.parametrize(
    "text",
    [f"event,pfn,order\nalloc,5,0\nalloc,{2**62},9\n", f"op,id,bytes\nalloc,1,{2**60}\n"],
)
def test_more_than_one_range_can_be(tmp_path, text):
    path = write(tmp_path / "t.csv", text)
    with pytest.raises(ValueError, match="give --memory-map"):
        from_pages(path, Variant(PageRanges()))


def test_a_size():
    assert list(from_size(100_000, 4096)) == [(0, 24)]
    with pytest.raises(ValueError, match="expected at least a page, 4096 bytes"):
        from_size(4095, 4096)


def test_the_recorded_map():
    path = Path(__file__).parents[3] / "data" / "iomem.txt"
    assert from_map(path, 4096).n_pages == 6_291_358


def test_of_a_pipe_the_memory_must_be_given(pagebuddy_command, refused, small):
    """It is read once, and to see what the trace needs would use it up."""

    def typed():
        ours, theirs = os.pipe()
        os.write(theirs, small[0].read_bytes())
        os.close(theirs)
        os.dup2(ours, 0)

    complaint = refused("replay", "/dev/stdin", before=typed)
    assert complaint.startswith("/dev/stdin: a pipe can be read only once, ")
    assert complaint.endswith("; give --memory or --memory-map, or write the trace into a file")
    code, text, _ = pagebuddy_command("replay", "/dev/stdin", "--memory", "1MiB", before=typed)
    assert code == 0
    assert "6; replayed" in text
