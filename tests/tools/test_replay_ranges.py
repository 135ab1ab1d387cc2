"""The memory to replay on: from a map, or from the trace itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from pagebuddy.tools.replay_ranges import from_map, from_trace
from pagebuddy.tools.trace import Trace


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


def test_from_the_trace(tmp_path):
    path = write(tmp_path / "t.csv", "event,pfn,order\nalloc,5000,0\nalloc,8000,9\n")
    assert list(from_trace(Trace(path))) == [(4096, 5120)]


def test_pages_too_far_apart(tmp_path):
    path = write(tmp_path / "t.csv", f"event,pfn,order\nalloc,5,0\nalloc,{2**62},9\n")
    with pytest.raises(ValueError, match="give a memory map"):
        from_trace(Trace(path))


def test_the_recorded_map():
    path = Path(__file__).parents[2] / "data" / "iomem.txt"
    assert from_map(path, 4096).n_pages == 6_291_358
