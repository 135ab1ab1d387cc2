"""Memory maps in the formats of real systems, and malformed ones."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pagebuddy.allocator.memory_maps import e820_ram, iomem_ram, memmap_ram
from pagebuddy.allocator.ranges import PageRanges

IOMEM = Path(__file__).parents[2] / "data" / "iomem.txt"

NESTED = """\
00000000-00000fff : Reserved
00001000-0009fbff : System RAM
0009fc00-000fffff : Reserved
  000f0000-000fffff : System ROM
00100000-bfffffff : System RAM
  01000000-022090c7 : Kernel code
    01000000-01000fff : System RAM
100000000-63fffffff : System RAM
200000000000-2000ffffffff : Persistent Memory
  200040000000-2000ffffffff : dax0.0
    200040000000-2000ffffffff : System RAM (kmem)
"""

# The same machine in the logs of three kernel versions.
E820 = """\
[    0.000000] Linux version 6.8.0 (builder) #1 SMP
[    0.000000] BIOS-provided physical RAM map:
[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable
[    0.000000] BIOS-e820: [mem 0x000000000009fc00-0x00000000000fffff] reserved
[    0.000000] BIOS-e820: [mem 0x0000000000100000-0x00000000bfffffff] usable
[    0.000000] BIOS-e820: [mem 0x00000000c0000000-0x00000000c0000fff] unusable
[    0.000000] BIOS-e820: [mem 0x00000000c0001000-0x00000000c0001fff] ACPI NVS
[    0.000000] BIOS-e820: [mem 0x00000000c0002000-0x00000000c0002fff] persistent (type 12)
[    0.000000] BIOS-e820: [mem 0x0000000100000000-0x000000063fffffff] usable
[    0.000415] e820: update [mem 0x00000000-0x00000fff] usable ==> reserved
"""
E820_OLD = """\
Mar  7 10:58:40 host kernel: BIOS-provided physical RAM map:
Mar  7 10:58:40 host kernel:  BIOS-e820: 0000000000000000 - 000000000009fc00 (usable)
Mar  7 10:58:40 host kernel:  BIOS-e820: 000000000009fc00 - 0000000000100000 (reserved)
Mar  7 10:58:40 host kernel:  BIOS-e820: 0000000000100000 - 00000000c0000000 (usable)
Mar  7 10:58:40 host kernel:  BIOS-e820: 00000000c0001000 - 00000000c0002000 (ACPI NVS)
Mar  7 10:58:40 host kernel:  BIOS-e820: 0000000100000000 - 0000000640000000 (usable)
"""
E820_NEW = """\
May 04 12:22:28 host kernel: BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff]  System RAM
May 04 12:22:28 host kernel: BIOS-e820: [mem 0x000000000009fc00-0x00000000000fffff]  device reserved
May 04 12:22:28 host kernel: BIOS-e820: [mem 0x0000000000100000-0x00000000bfffffff]  System RAM
May 04 12:22:28 host kernel: BIOS-e820: [gap 0x00000000c0000000-0x00000000ffffffff]
May 04 12:22:28 host kernel: BIOS-e820: [mem 0x0000000100000000-0x000000063fffffff]  System RAM
"""


def test_a_recorded_iomem_map_gives_its_page_ranges():
    ranges = PageRanges.from_iomem(IOMEM.read_text())
    assert list(ranges) == [(0x1, 0x9E), (0x100, 0xBFF00), (0x100000, 0x540000)]
    assert ranges.n_pages == 6_291_358


@pytest.mark.parametrize(
    ("page_size", "pages"),
    [
        (1024, [(4, 0x27B), (0x400, 0x2FFC00), (0x400000, 0x1500000)]),
        (65536, [(1, 8), (0x10, 0xBFF0), (0x10000, 0x54000)]),
        (2 << 20, [(1, 0x5FF), (0x800, 0x2A00)]),
        (1 << 30, [(1, 2), (4, 21)]),
    ],
)
def test_partial_pages_are_left_out(page_size, pages):
    assert list(PageRanges.from_iomem(IOMEM.read_text(), page_size)) == pages


def test_nested_entries_are_ignored():
    ram = [(0x1000, 0x9FC00), (0x100000, 0xC0000000), (0x100000000, 0x640000000)]
    assert iomem_ram(NESTED) == ram
    assert iomem_ram(NESTED.replace("\n", "\r\n\r\n")) == ram


@pytest.mark.parametrize("text", [E820, E820_OLD, E820_NEW], ids=["today", "old", "new"])
def test_e820_maps_of_three_kernel_versions_are_read(text):
    assert e820_ram(text) == [(0, 0x9FC00), (0x100000, 0xC0000000), (0x100000000, 0x640000000)]
    assert list(PageRanges.from_e820(text)) == [(0, 0x9F), (0x100, 0xBFF00), (0x100000, 0x540000)]
    assert list(PageRanges.from_e820(text, 1 << 30)) == [(1, 2), (4, 21)]


def test_entries_may_be_in_any_order_and_are_not_merged():
    text = "00004000-00004fff : System RAM\n00002000-00003fff : System RAM\n"
    assert list(PageRanges.from_iomem(text)) == [(2, 2), (4, 1)]


def test_a_page_on_the_border_of_two_entries_is_ram():
    text = "00001000-000027ff : System RAM\n00002800-00003fff : System RAM\n"
    assert list(PageRanges.from_iomem(text)) == [(1, 3)]


def test_ram_up_to_the_last_address_is_read():
    text = "fffffffffffff000-ffffffffffffffff : System RAM"
    assert list(PageRanges.from_iomem(text)) == [(2**52 - 1, 1)]
    assert list(PageRanges.from_iomem(text, 1)) == [(2**64 - 4096, 4096)]
    old = "BIOS-e820: fffffffffffff000 - 10000000000000000 (usable)"
    assert e820_ram(old) == iomem_ram(text)


@given(st.lists(st.integers(1, 1 << 40), min_size=1, max_size=20))
def test_a_written_map_is_read_back(lengths):
    # A single byte at address zero is a map of all zeros.
    assume(lengths != [1])
    address, ram, lines = 0, [], []
    for i, length in enumerate(lengths):
        start, address = address, address + length
        name = "Reserved" if i % 2 else "System RAM"
        lines.append(f"{start:08x}-{address - 1:08x} : {name}")
        if name == "System RAM":
            ram.append((start, address))
    assert iomem_ram("\n".join(lines)) == ram


def test_a_map_of_zeros_is_refused_with_advice():
    hidden = re.sub("[0-9a-f]+-[0-9a-f]+", "00000000-00000000", NESTED)
    for text in (hidden, "00000000-00000000 : Reserved"):
        with pytest.raises(ValueError, match=r"every address in this memory map is zero.* as root"):
            PageRanges.from_iomem(text)
    some_zeros = "00000000-00000000 : Reserved\n00001000-00001fff : System RAM\n"
    assert list(PageRanges.from_iomem(some_zeros)) == [(1, 1)]


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (iomem_ram, ""),
        (iomem_ram, "\n\n"),
        (iomem_ram, "00000000-00000fff : Reserved\n"),
        (iomem_ram, "00100000-001fffff : System RAM (boot alias)\n"),
        (iomem_ram, "00000000-00ffffff : Reserved\n  00100000-001fffff : System RAM\n"),
        (e820_ram, ""),
        (e820_ram, "[    0.000415] e820: update [mem 0x00000000-0x00000fff] usable ==> reserved"),
        (e820_ram, "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] unusable"),
        (e820_ram, "BIOS-e820: [gap 0x0000000000000000-0x000000000009fbff]"),
    ],
)
def test_a_map_without_ram_is_refused(read, text):
    with pytest.raises(ValueError, match="no RAM in this memory map; expected"):
        read(text)


def test_ram_without_a_whole_page_is_refused():
    with pytest.raises(ValueError, match="no whole page of 4096 bytes"):
        PageRanges.from_iomem("00001001-00002ffe : System RAM")
    with pytest.raises(ValueError, match="no whole page of 4096 bytes"):
        PageRanges.from_e820("BIOS-e820: [mem 0x0-0x0] usable")


@pytest.mark.parametrize(
    ("read", "line"),
    [
        (iomem_ram, "data/iomem.txt"),
        (iomem_ram, "00100000-bfffffff: System RAM"),
        (iomem_ram, "00100000 - bfffffff : System RAM"),
        (iomem_ram, "0010000g-bfffffff : System RAM"),
        (iomem_ram, "00100000- : System RAM"),
        (iomem_ram, "-00100000-00200000 : System RAM"),
        (iomem_ram, "00100000-bff"),
        (e820_ram, "BIOS-e820:"),
        (e820_ram, "BIOS-e820: [mem 0x0000000000100000-0x00000000bfffffff]"),
        (e820_ram, "BIOS-e820: [mem 0x0000000000100000-0x00000000bff"),
        (e820_ram, "BIOS-e820: [mem 0000000000100000-00000000bfffffff] usable"),
        (e820_ram, "BIOS-e820: 0000000000000000 - 000000000009fc00 (usable"),
        (e820_ram, "BIOS-e820: 0000000000000000 - 000000000009fc00 (usable) or so"),
        (e820_ram, "BIOS-e820: 0000000000000000-000000000009fc00 (usable)"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(read, line):
    good = NESTED if read is iomem_ram else E820
    number = good.count("\n") + 1
    with pytest.raises(
        ValueError, match=f"line {number} of the memory map is .*; expected a line like"
    ):
        read(good + line + "\n" + good)


@pytest.mark.parametrize(
    ("read", "line"),
    [
        (iomem_ram, "00200000-001fffff : System RAM"),
        (iomem_ram, "00200000-00100000 : Reserved"),
        (iomem_ram, "00200000-10000000000000000 : System RAM"),
        (e820_ram, "BIOS-e820: [mem 0x00200000-0x001fffff] usable"),
        (e820_ram, "BIOS-e820: [mem 0x00200000-0x10000000000000000] reserved"),
        (e820_ram, "BIOS-e820: 00200000 - 00200000 (usable)"),
    ],
)
def test_impossible_addresses_are_named(read, line):
    with pytest.raises(ValueError, match="line 2 of the memory map goes from 0x200000 up to"):
        read("\n" + line)


@pytest.mark.parametrize(
    ("read", "line"),
    [
        (iomem_ram, "{:08x}-{:08x} : System RAM"),
        (e820_ram, "BIOS-e820: [mem 0x{:016x}-0x{:016x}] usable"),
    ],
)
def test_overlapping_ram_is_refused(read, line):
    for a, b in [((0, 9), (9, 12)), ((0, 9), (0, 9)), ((0, 99), (4, 5)), ((4, 5), (0, 99))]:
        text = "\n".join([line.format(*a), line.format(0x1000, 0x1FFF), line.format(*b)])
        with pytest.raises(ValueError, match=r"RAM from 0x.* and RAM from 0x.* overlap"):
            read(text)


@pytest.mark.parametrize("read", [iomem_ram, e820_ram])
@pytest.mark.parametrize("text", [NESTED.encode(), IOMEM, None, 5])
def test_a_map_that_is_not_a_str_raises_type_error(read, text):
    with pytest.raises(TypeError, match="the text of a memory map must be a str, not"):
        read(text)


def test_page_size_is_checked_by_every_reader(tmp_path):
    write_entry(tmp_path, "0", "0x0", "0xfffff", "System RAM")
    for read, source in [
        (PageRanges.from_iomem, NESTED),
        (PageRanges.from_e820, E820),
        (PageRanges.from_memmap, tmp_path),
    ]:
        assert read(source, page_size=4096).n_pages > 0
        with pytest.raises(ValueError, match="page_size is 1000; it must be a power of two"):
            read(source, page_size=1000)
        with pytest.raises(TypeError, match="page_size is '4 KiB', a str"):
            read(source, page_size="4 KiB")


def write_entry(folder, name, start, end, kind):
    entry = folder / name
    entry.mkdir()
    for file, content in (("start", start), ("end", end), ("type", kind)):
        if content is not None:
            (entry / file).write_text(content + "\n")


def test_a_firmware_memmap_folder_is_read(tmp_path):
    write_entry(tmp_path, "0", "0x0", "0x9fbff", "System RAM")
    write_entry(tmp_path, "1", "0x9fc00", "0xfffff", "Reserved")
    write_entry(tmp_path, "10", "0x100000", "0xbfffffff", "System RAM")
    write_entry(tmp_path, "2", "0x100000000", "0x63fffffff", "System RAM")
    write_entry(tmp_path, "notes", "zero", "nine", "System RAM")
    for folder in (tmp_path, str(tmp_path)):
        ranges = PageRanges.from_memmap(folder)
        assert list(ranges) == [(0, 0x9F), (0x100, 0xBFF00), (0x100000, 0x540000)]
    assert list(PageRanges.from_memmap(tmp_path, 1 << 30)) == [(1, 2), (4, 21)]


@pytest.mark.skipif(
    not os.access("/sys/firmware/memmap/0/start", os.R_OK),
    reason="this machine shows no firmware memory map to this user",
)
def test_the_memmap_of_this_machine_is_read():
    assert PageRanges.from_memmap().n_pages > 0


@pytest.mark.parametrize("bad", ["", "4096", "0x", "0xfffg", "-0x1", "0x1_0"])
@pytest.mark.parametrize("file", ["start", "end"])
def test_memmap_with_a_bad_address_names_the_file(tmp_path, file, bad):
    write_entry(tmp_path, "0", "0x0", "0x9fbff", "System RAM")
    path = tmp_path / "0" / file
    path.write_text(bad)
    with pytest.raises(ValueError, match="expected an address such as '0x9fbff'") as caught:
        memmap_ram(tmp_path)
    assert str(path) in str(caught.value)


def test_a_malformed_memmap_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no RAM in this memory map; expected a numbered"):
        memmap_ram(tmp_path)
    write_entry(tmp_path, "0", "0x0", "0xfff", "Reserved")
    with pytest.raises(ValueError, match="no RAM"):
        memmap_ram(tmp_path)
    write_entry(tmp_path, "1", "0x1000", "0xfff", "System RAM")
    with pytest.raises(ValueError, match="1 of the memory map goes from 0x1000 up to"):
        memmap_ram(tmp_path)
    (tmp_path / "1" / "end").write_text("0x1fff")
    write_entry(tmp_path, "2", "0x1fff", "0x2fff", "System RAM")
    with pytest.raises(ValueError, match="RAM from 0x1000 to 0x1fff and RAM from 0x1fff to 0x2fff"):
        memmap_ram(tmp_path)
    (tmp_path / "2" / "start").unlink()
    with pytest.raises(FileNotFoundError, match="start"):
        memmap_ram(tmp_path)


def test_a_missing_memmap_is_reported(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no firmware memory map here.*absent"):
        memmap_ram(tmp_path / "absent")
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(NotADirectoryError):
        memmap_ram(file)
    with pytest.raises(TypeError):
        memmap_ram(5)
