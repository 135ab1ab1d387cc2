"""The verb `replay` as people run it: a process of its own, its exit code, its two streams."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest

from pagebuddy import COMPILED

ROOT = Path(__file__).parents[3]
SAMPLE, IOMEM = ROOT / "data" / "ftrace-sample.txt.gz", ROOT / "data" / "iomem.txt"
HEADER = "event,pfn,order\n"


def test_it_prints_figures_tables_and_a_picture(small, pagebuddy_command):
    trace, iomem = small
    code, text, complaint = pagebuddy_command(
        "replay", trace.name, "--memory-map", iomem.name, folder=trace.parent
    )
    assert (code, complaint) == (0, "")
    lines = [line.rstrip() for line in text.splitlines()]
    assert max(map(len, lines)) <= 80
    figures = dict(line.split("  ", 1) for line in lines[: lines.index("")])
    figures = {name: value.strip() for name, value in figures.items()}
    engine = "compiled" if COMPILED else "not compiled"
    assert figures.pop("engine").endswith("ns per event")
    assert figures.pop("with parsing").endswith("ns per event")
    assert figures == {
        "trace": trace.name,
        "format": "page CSV",
        "memory": "1 MiB in 1 page range",
        "allocator": f"pages of 4 KiB, orders 0 to 10, whole blocks, {engine}",
        "events": "6; replayed 4 allocations and 1 free",
        "skipped": "1 free without a recorded allocation",
        "failures": "1 allocation did not fit",
        "checked": "no page was allocated twice; all invariants hold",
        "at the peak": "128 pages, 512 KiB, 50.0 % used, in 2 spans",
        "at the end": "65 pages, 260 KiB, 25.4 % used, in 2 spans",
    }
    rows = [line.split() for line in lines if line[:5].strip().isdigit()]
    assert [row[0] for row in rows] == [str(order) for order in range(9)]
    # order, block, then blocks, unusable and fragmentation, each at the fullest and in the end
    assert rows[6:] == [
        ["6", "256", "KiB", "0", "2", "0", "%", "33.0", "%", "-", "-"],
        ["7", "512", "KiB", "1", "0", "0", "%", "100", "%", "-", "0.69"],
        ["8", "1", "MiB", "0", "0", "100", "%", "100", "%", "-0.50", "0.78"],
    ]
    assert "Memory at the peak: 512 KiB of 1 MiB used, 50.0 %" in lines
    picture = [line.split(" ")[1] for line in lines if line.startswith("0x")]
    assert picture == ["█" * 64, "█" * 64, "·" * 64, "·" * 64]


def test_the_end_can_be_shown_instead_of_the_fullest_moment(small, pagebuddy_command):
    trace, iomem = small
    code, text, _ = pagebuddy_command("replay", trace, "--memory-map", iomem, "--at", "end")
    assert code == 0
    assert "Memory at the end: 260 KiB of 1 MiB used, 25.4 %" in text
    cells = "".join(line.split(" ")[1] for line in text.splitlines() if line.startswith("0x"))
    assert (cells.count("█"), cells.count("·")) == (65, 191)


def test_json_has_the_figures_of_the_peak_and_the_end(small, pagebuddy_command):
    trace, iomem = small
    options = ("--memory-map", iomem, "--json", "--max-order", 7)
    code, text, complaint = pagebuddy_command("replay", trace, *options)
    assert (code, complaint) == (0, "")
    figures = json.loads(text)
    assert (figures["events"], figures["failures"], figures["overlaps"]) == (6, 1, 0)
    assert figures["peak"]["used"] == 128
    assert figures["end"]["free_blocks"] == [1, 1, 1, 1, 1, 1, 2, 0]
    assert figures["compiled"] is COMPILED


def test_quiet_prints_nothing(small, pagebuddy_command):
    trace, iomem = small
    assert pagebuddy_command("replay", trace, "--memory-map", iomem, "--quiet") == (0, "", "")


@pytest.mark.parametrize("moment", ["fullest", "end"])
def test_the_picture_is_drawn_into_a_file(small, tmp_path, moment, pagebuddy_command):
    picture = tmp_path / "memory.svg"
    arguments = ("replay", small[0], "--picture", picture, "--at", moment, "-q")
    assert pagebuddy_command(*arguments) == (0, "", "")
    assert "<svg" in picture.read_text()


def test_a_drawing_over_time_has_its_figures_printed(small, tmp_path, pagebuddy_command, refused):
    picture = tmp_path / "time.svg"
    code, text, complaint = pagebuddy_command("replay", small[0], "--over-time", picture)
    assert (code, complaint) == (0, "")
    assert max(map(len, text.splitlines())) <= 80
    *_, used, largest, unusable, operations = text.splitlines()
    assert used.startswith("used ")
    assert used.rstrip().endswith("2.25 MiB, 56.3 %")
    assert largest.rstrip().endswith("4 MiB")
    assert unusable.rstrip().endswith("100 % at order 10")
    assert operations.rstrip() == "operations    5 from left to right"
    assert "5 operations from left to right" in picture.read_text()
    assert pagebuddy_command("replay", small[0], "--over-time", picture, "-q") == (0, "", "")
    told = refused("replay", tmp_path / "none.csv", "--over-time", "time.txt")
    assert told.startswith("cannot draw time.txt: ")


def test_without_a_memory_map_the_trace_tells_the_memory(small, pagebuddy_command):
    code, text, _ = pagebuddy_command("replay", small[0])
    assert code == 0
    assert "4 MiB in 1 page range" in text


def test_the_ftrace_sample_is_replayed_without_faults(pagebuddy_command):
    code, text, complaint = pagebuddy_command("replay", SAMPLE)
    assert (code, complaint) == (0, "")
    assert "4,000; replayed 3,573 allocations and 342 frees" in text
    almost_all = "mean > 99.9 %, at 15/16 of events > 99.9 %, at the end > 99.9 %"
    assert f"2 MiB blocks  {almost_all}" in [line.rstrip() for line in text.splitlines()]
    assert "no page was allocated twice; all invariants hold" in text


def test_variants_side_by_side_are_a_list_in_json(small, pagebuddy_command):
    code, text, _ = pagebuddy_command("replay", small[0], "--max-order", "5,6,10", "--json")
    assert code == 0
    found = json.loads(text)
    assert [(each["max_order"], each["policy"]) for each in found] == [
        (5, "blocks"),
        (6, "blocks"),
        (10, "blocks"),
    ]
    assert [each["failures"] for each in found] == [3, 1, 0]


@pytest.mark.skipif(not COMPILED, reason="a million events take too long uncompiled")
def test_the_trace_of_the_server_is_replayed_on_its_own_memory(pagebuddy_command):
    trace = ROOT / "data" / "kernel-server.csv.gz"
    code, text, complaint = pagebuddy_command("replay", trace, "--memory-map", IOMEM)
    assert (code, complaint) == (0, "")
    assert max(map(len, text.splitlines())) <= 80
    assert "1,274,696; replayed 641,601 allocations and 625,152 frees" in text
    assert "258,857 pages, 1011 MiB, 4.1 % used" in text
    assert "(hole of 1 GiB)" in text


def test_events_that_could_not_be_replayed_are_told(tmp_path, pagebuddy_command):
    head = "  sh-7  [000] .... 1.5: mm_page_"
    lines = [
        "CPU:0 [LOST 12 EVENTS]",
        f"{head}alloc: page=0 pfn=0x0 order=4",
        *[f"{head}alloc: page=0 pfn=0x10 order=4"] * 2,
        f"{head}free: page=0 pfn=0x10 order=3",
    ]
    path = tmp_path / "t.txt"
    path.write_text("\n".join(lines))
    code, text, _ = pagebuddy_command("replay", path)
    assert code == 0
    for told in (
        "failed        1 allocation of the recorded system, not replayed",
        "lost          12 events by the recorder",
        "skipped       1 allocation of a page already in use",
        "differing     1 free with another size than the allocation",
    ):
        assert told in text


def test_no_events(tmp_path, small, pagebuddy_command, refused):
    path = tmp_path / "t.csv"
    path.write_text(HEADER)
    code, text, _ = pagebuddy_command("replay", path, "--memory-map", small[1])
    assert code == 0
    assert "0; replayed 0 allocations and 0 frees" in text
    assert refused("replay", path).startswith(f"{path}: the trace has no events")
    code, text, _ = pagebuddy_command(
        "replay", path, "--memory-map", small[1], "--max-order", "3,4"
    )
    assert code == 0
    assert "0; replayed 0 allocations and 0 frees" in text


def test_a_memory_map_without_ram_or_not_there(tmp_path, refused):
    path = tmp_path / "iomem"
    path.write_text("00000000-00000fff : Reserved\n")
    assert refused("replay", SAMPLE, "--memory-map", path).startswith(f"{path}: no RAM ")
    missing = tmp_path / "none"
    assert (
        refused("replay", SAMPLE, "--memory-map", missing)
        == f"{missing}: No such file or directory"
    )


def test_figures_that_make_no_sense(pagebuddy_command, refused):
    assert refused("replay", SAMPLE, "--page-size", 4097).startswith("page_size is 4097; ")
    assert refused("replay", SAMPLE, "--max-order", 32).startswith("max_order is '32'; ")
    assert refused("replay", SAMPLE, "--policy", "best").startswith("policy is 'best'; ")
    assert refused("replay", SAMPLE, "--memory", "1 KiB").startswith("memory is 1,024 bytes; ")
    assert refused("replay", SAMPLE, "--device", "0").endswith("omit the device")
    told = refused("replay", SAMPLE, "--memory", "1 MiB", "--memory-map", IOMEM)
    assert told == "--memory and --memory-map were both given; give only one of them"
    code, text, complaint = pagebuddy_command("replay", SAMPLE, "--at", "noon")
    assert (code, text) == (2, "")
    assert "--at" in complaint


def test_more_memory_than_there_is_metadata_for(tmp_path, small, refused):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))

    path = tmp_path / "iomem"
    path.write_text("00000000-1ffffffffff : System RAM\n")  # 2 TiB: 4.4 GiB of metadata
    told = refused(
        "replay", small[0], "--memory-map", path, code=3, before=limit, OPENBLAS_NUM_THREADS="1"
    )
    assert told == "this machine has too little memory for the metadata of so many pages"


def test_a_picture_that_cannot_be_drawn_is_refused_first(tmp_path, refused):
    missing = tmp_path / "none.csv"  # not looked at
    told = refused("replay", missing, "--picture", "memory.txt")
    assert told == "cannot draw memory.txt: the name must end in .svg, .png or .pdf"
    path = tmp_path / "none" / "memory.svg"
    assert refused("replay", missing, "--picture", path).endswith(
        f"the folder {path.parent} does not exist"
    )
    path = tmp_path / "memory.svg"
    for option in ("--picture", "--over-time"):
        told = refused("replay", missing, option, path, "--max-order", "9,10")
        assert told.startswith("cannot draw 2 replays in one picture; ")
