"""The command as people run it: a process of its own, its exit code, its two streams."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import pty
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import pagebuddy
from pagebuddy import COMPILED

ROOT = Path(__file__).parents[2]
SAMPLE, IOMEM = ROOT / "data" / "ftrace-sample.txt.gz", ROOT / "data" / "iomem.txt"
PACKAGES = Path(pagebuddy.__file__).parents[1]
HEADER = "event,pfn,order\n"


def environment(**more):
    inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    return inherited | {"PYTHONPATH": str(PACKAGES), "COLUMNS": "80", "PYTHONUTF8": "1"} | more


def run(*arguments, python=(), folder=None, before=None, **more):
    """Run the command; its exit code, what it printed, and what it complained of."""
    command = [sys.executable, *python, "-m", "pagebuddy", *map(str, arguments)]
    done = subprocess.run(
        command,
        capture_output=True,
        cwd=folder,
        preexec_fn=before,
        env=environment(**more),
        encoding="utf-8",
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def refused(*arguments, code=2, **more):
    """Run what must be refused; its one line of complaint."""
    found, printed, complaint = run(*arguments, **more)
    assert (found, printed) == (code, "")
    assert complaint.startswith("pagebuddy: ")
    assert complaint.endswith("\n")
    assert complaint.count("\n") == 1
    return complaint.removeprefix("pagebuddy: ").rstrip()


@pytest.fixture
def small(tmp_path):
    """A trace and a memory map of 1 MiB, of which half is used at the peak."""
    trace, iomem = tmp_path / "small.csv", tmp_path / "iomem"
    rows = ["alloc,7,6", "alloc,99,6", "free,7,6", "alloc,5,0", "alloc,6,9", "free,1,0"]
    trace.write_text(HEADER + "\n".join(rows) + "\n")
    iomem.write_text("00000000-000fffff : System RAM\n")
    return trace, iomem


def test_tables_and_picture(small):
    trace, iomem = small
    code, text, complaint = run(
        "replay", trace.name, "--memory-map", iomem.name, folder=trace.parent
    )
    assert (code, complaint) == (0, "")
    lines = [line.rstrip() for line in text.splitlines()]
    assert max(map(len, lines)) <= 80
    figures = dict(line.split("  ", 1) for line in lines[: lines.index("")])
    figures = {name: value.strip() for name, value in figures.items()}
    engine = "compiled" if COMPILED else "not compiled"
    assert figures.pop("in the core").endswith("ns each")
    assert figures.pop("with parsing").endswith("ns each")
    assert figures == {
        "trace": trace.name,
        "format": "page CSV",
        "memory": "1 MiB in 1 page range",
        "allocator": f"pages of 4 KiB, orders 0 to 10, whole blocks, {engine}",
        "events": "6, of which 4 allocations and 1 free replayed",
        "skipped": "1 free without a recorded allocation",
        "failures": "1 allocation found no room",
        "checked": "no page given out twice, every invariant holds",
        "fullest": "128 pages, 512 KiB, 50.0 % used, in 2 spans",
        "in the end": "65 pages, 260 KiB, 25.4 % used, in 2 spans",
    }
    rows = [line.split() for line in lines if line[:5].strip().isdigit()]
    assert [row[0] for row in rows] == [str(order) for order in range(9)]
    # order, block, then blocks, unusable and fragmentation, each at the fullest and in the end
    assert rows[6:] == [
        ["6", "256", "KiB", "0", "2", "0", "%", "33.0", "%", "-", "-"],
        ["7", "512", "KiB", "1", "0", "0", "%", "100", "%", "-", "0.69"],
        ["8", "1", "MiB", "0", "0", "100", "%", "100", "%", "-0.50", "0.78"],
    ]
    assert "Memory at its fullest: 512 KiB of 1 MiB used, 50.0 %" in lines
    picture = [line.split(" ")[1] for line in lines if line.startswith("0x")]
    assert picture == ["█" * 64, "█" * 64, "·" * 64, "·" * 64]


def test_the_end_instead_of_the_fullest(small):
    trace, iomem = small
    code, text, _ = run("replay", trace, "--memory-map", iomem, "--at", "end")
    assert code == 0
    assert "Memory in the end: 260 KiB of 1 MiB used, 25.4 %" in text
    cells = "".join(line.split(" ")[1] for line in text.splitlines() if line.startswith("0x"))
    assert (cells.count("█"), cells.count("·")) == (65, 191)


def test_json(small):
    trace, iomem = small
    code, text, complaint = run("replay", trace, "--memory-map", iomem, "--json", "--max-order", 7)
    assert (code, complaint) == (0, "")
    figures = json.loads(text)
    assert (figures["events"], figures["failures"], figures["overlaps"]) == (6, 1, 0)
    assert figures["peak"]["used"] == 128
    assert figures["end"]["free_blocks"] == [1, 1, 1, 1, 1, 1, 2, 0]
    assert figures["compiled"] is COMPILED


def test_quiet(small):
    trace, iomem = small
    assert run("replay", trace, "--memory-map", iomem, "--quiet") == (0, "", "")


@pytest.mark.parametrize("moment", ["fullest", "end"])
def test_picture_in_a_file(small, tmp_path, moment):
    picture = tmp_path / "memory.svg"
    arguments = ("replay", small[0], "--picture", picture, "--at", moment, "-q")
    assert run(*arguments) == (0, "", "")
    assert "<svg" in picture.read_text()


def test_over_time(small, tmp_path):
    picture = tmp_path / "time.svg"
    code, text, complaint = run("replay", small[0], "--over-time", picture)
    assert (code, complaint) == (0, "")
    assert max(map(len, text.splitlines())) <= 80
    *_, used, largest, unusable, operations = text.splitlines()
    assert used.startswith("used ")
    assert used.rstrip().endswith("2.25 MiB, 56.3 %")
    assert largest.rstrip().endswith("4 MiB")
    assert unusable.rstrip().endswith("100 % at order 10")
    assert operations.rstrip() == "operations    5 from left to right"
    assert "5 operations from left to right" in picture.read_text()
    assert run("replay", small[0], "--over-time", picture, "-q") == (0, "", "")
    told = refused("replay", tmp_path / "none.csv", "--over-time", "time.txt")
    assert told.startswith("cannot draw time.txt: ")


def test_without_a_memory_map_the_trace_tells_the_memory(small):
    code, text, _ = run("replay", small[0])
    assert code == 0
    assert "4 MiB in 1 page range" in text


def test_the_ftrace_sample():
    code, text, complaint = run("replay", SAMPLE)
    assert (code, complaint) == (0, "")
    assert "4,000, of which 3,573 allocations and 342 frees replayed" in text
    assert "no page given out twice, every invariant holds" in text


BYTES = ["alloc,1,10000", "alloc,2,70000", "free,1,", "alloc,3,0", "alloc,4,123", "free,2,70000"]
RMM = [
    "7,10:00:00.000001,allocate,0x7f0000000000,10000,0x2",
    "7,10:00:00.000003,allocate,0x7f0000010000,70000,0x2",
    "7,10:00:00.000002,free,0x7f0000000000,10000,0x2",
    "8,10:00:00.000004,allocate failure,(nil),1099511627776,0x2",
    "8,10:00:00.000005,allocate,0x7f0000020000,123,0x2",
    "8,10:00:00.000006,free,0x7f0000010000,70000,0x2",
]
TORCH = [
    {"action": action, "addr": addr, "size": size, "stream": 0, "time_us": time}
    for time, (action, addr, size) in enumerate(
        [
            ("alloc", 0x7F00, 10240),
            ("alloc", 0xFF00, 70144),
            ("free_requested", 0x7F00, 10240),
            ("free_completed", 0x7F00, 10240),
            ("alloc", 0x7F00, 512),
            ("free_completed", 0xFF00, 70144),
        ]
    )
]


@pytest.fixture
def in_bytes(tmp_path):
    """Traces in bytes, one of each format, of much the same."""
    paths = {name: tmp_path / name for name in ("bytes.csv", "rmm.csv", "torch.pickle")}
    paths["bytes.csv"].write_text("\n".join(["op,id,bytes", *BYTES]))
    header = "Thread,Time,Action,Pointer,Size,Stream"
    paths["rmm.csv"].write_bytes(gzip.compress("\n".join([header, *RMM]).encode()))
    paths["torch.pickle"].write_bytes(pickle.dumps({"segments": [], "device_traces": [TORCH]}))
    return paths


IN_BYTES = {
    "bytes.csv": {
        "format": "byte CSV",
        "events": "6, of which 4 allocations and 2 frees replayed",
        "empty": "1 allocation of no bytes, which take no page",
        "fullest": "21 pages, 84 KiB, 32.8 % used, in 2 spans",
        "rounding": "at the fullest 5.88 KiB of 84 KiB used is waste, 7.0 %",
    },
    "rmm.csv": {
        "format": "RMM log",
        "events": "5, of which 3 allocations and 2 frees replayed",
        "out of order": "1 event earlier than the one before, replayed as they stand",
        "recorded": "1 allocation had failed already",
        "fullest": "21 pages, 84 KiB, 32.8 % used, in 2 spans",
        "rounding": "at the fullest 5.88 KiB of 84 KiB used is waste, 7.0 %",
    },
    "torch.pickle": {
        "format": "PyTorch snapshot",
        "events": "5, of which 3 allocations and 2 frees replayed",
        "fullest": "21 pages, 84 KiB, 32.8 % used, in 2 spans",
        "rounding": "at the fullest 5.5 KiB of 84 KiB used is waste, 6.5 %",
    },
}


@pytest.mark.parametrize("name", IN_BYTES)
def test_other_peoples_traces(in_bytes, name):
    code, text, complaint = run("replay", in_bytes[name])
    assert (code, complaint) == (0, "")
    lines = [line.rstrip() for line in text.splitlines()]
    assert max(map(len, lines)) <= 80
    figures = dict(line.split("  ", 1) for line in lines[: lines.index("")] if line[0] != " ")
    figures = {key: value.strip() for key, value in figures.items()}
    told = IN_BYTES[name]
    assert {key: figures.get(key) for key in told} == told
    assert figures["memory"] == "256 KiB in 1 page range"
    assert "orders 0 to 6, exact spans" in figures["allocator"]
    assert set(figures) - set(told) <= {
        *("trace", "memory", "allocator", "failures", "checked", "in the end"),
        *("in the core", "with parsing"),
    }


def test_side_by_side(in_bytes):
    options = ("--page-size", "512,4KiB", "--policy", "exact,blocks", "--memory", "1 MiB")
    code, text, complaint = run("replay", in_bytes["rmm.csv"], *options)
    assert (code, complaint) == (0, "")
    lines = [line.rstrip() for line in text.splitlines()]
    assert max(map(len, lines)) <= 80
    assert "…" not in text
    start = next(i for i, line in enumerate(lines) if "policy" in line)
    # page, highest order, policy, failed, used, rounding
    assert [line.split()[:9] for line in lines[start + 2 : start + 6]] == [
        ["512", "bytes", "11", "exact", "0", "78.5", "KiB", "0.5", "%"],
        ["512", "bytes", "11", "blocks", "0", "144", "KiB", "45.7", "%"],
        ["4", "KiB", "8", "exact", "0", "84", "KiB", "7.0", "%"],
        ["4", "KiB", "8", "blocks", "0", "144", "KiB", "45.7", "%"],
    ]


def test_side_by_side_as_json(small):
    code, text, _ = run("replay", small[0], "--max-order", "5,6,10", "--json")
    assert code == 0
    found = json.loads(text)
    assert [(each["max_order"], each["policy"]) for each in found] == [
        (5, "blocks"),
        (6, "blocks"),
        (10, "blocks"),
    ]
    assert [each["failures"] for each in found] == [3, 1, 0]


def test_lines_in_any_order(in_bytes, small):
    """Nothing can be said about such a trace but how much of it made sense."""
    for path, told in (
        (small[0], "2 frees without a recorded allocation"),
        (in_bytes["bytes.csv"], "2 frees without a recorded allocation"),
    ):
        header, *lines = path.read_text().splitlines()
        path.write_text("\n".join([header, *reversed(lines)]))
        code, text, complaint = run("replay", path, "--memory", "64 MiB")
        assert (code, complaint) == (0, "")
        assert told in text
        assert "no page given out twice" in text


def test_a_snapshot_that_would_run_something(tmp_path):
    path = tmp_path / "snapshot.pickle"
    path.write_bytes(b"\x80\x02cos\nsystem\n(S'touch harm'\ntR.")
    told = refused("replay", path, folder=tmp_path)
    assert told.startswith(f"{path}: this pickle is more than data: it names os.system; ")
    assert not (tmp_path / "harm").exists()


def test_one_of_several_devices(tmp_path):
    path = tmp_path / "snapshot.pickle"
    path.write_bytes(pickle.dumps({"segments": [], "device_traces": [TORCH, [], TORCH[:1]]}))
    assert refused("replay", path).endswith("memory of devices 0, 2; choose one with --device")
    code, text, _ = run("replay", path, "--device", 2)
    assert code == 0
    assert "1, of which 1 allocation and 0 frees replayed" in text


@pytest.mark.skipif(not COMPILED, reason="a million events take too long uncompiled")
def test_the_server_on_its_own_memory():
    trace = ROOT / "data" / "kernel-server.csv.gz"
    code, text, complaint = run("replay", trace, "--memory-map", IOMEM)
    assert (code, complaint) == (0, "")
    assert max(map(len, text.splitlines())) <= 80
    assert "1,274,696, of which 641,601 allocations and 625,152 frees replayed" in text
    assert "258,857 pages, 1011 MiB, 4.1 % used" in text
    assert "(hole of 1 GiB)" in text


def test_events_that_could_not_be_replayed_are_told(tmp_path):
    head = "  sh-7  [000] .... 1.5: mm_page_"
    lines = [
        "CPU:0 [LOST 12 EVENTS]",
        f"{head}alloc: page=0 pfn=0x0 order=4",
        *[f"{head}alloc: page=0 pfn=0x10 order=4"] * 2,
        f"{head}free: page=0 pfn=0x10 order=3",
    ]
    path = tmp_path / "t.txt"
    path.write_text("\n".join(lines))
    code, text, _ = run("replay", path)
    assert code == 0
    for told in (
        "recorded      1 allocation had failed already",
        "lost          12 events while recording",
        "skipped       1 allocation of a page still live",
        "differing     1 free told another size than the allocation",
    ):
        assert told in text


def test_no_events(tmp_path, small):
    path = tmp_path / "t.csv"
    path.write_text(HEADER)
    code, text, _ = run("replay", path, "--memory-map", small[1])
    assert code == 0
    assert "0, of which 0 allocations and 0 frees replayed" in text
    assert refused("replay", path).startswith(f"{path}: there are no events")
    code, text, _ = run("replay", path, "--memory-map", small[1], "--max-order", "3,4")
    assert code == 0
    assert "0, of which 0 allocations and 0 frees replayed" in text


@pytest.mark.parametrize("name", IN_BYTES)
def test_no_events_in_bytes(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(
        {
            "bytes.csv": b"op,id,bytes\n",
            "rmm.csv": b"Thread,Time,Action,Pointer,Size,Stream\n",
            "torch.pickle": pickle.dumps({"segments": [], "device_traces": [[]]}),
        }[name]
    )
    assert refused("replay", path).startswith(f"{path}: there are no events")
    code, text, _ = run("replay", path, "--memory", "1MiB")
    assert code == 0
    assert "0, of which 0 allocations and 0 frees replayed" in text
    assert "costs nothing" in text


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
    "another pickle": (pickle.dumps([1, 2]), ": this is no snapshot: "),
    "noise": (b"\x1f\x8b\x08\x00garbage", ", line 1: the gzip data "),
    "cut short": (gzip.compress(HEADER.encode() * 9)[:-9], ", line "),
}


@pytest.mark.parametrize("name", BAD_TRACES)
def test_a_trace_that_cannot_be_read(tmp_path, small, name):
    content, told = BAD_TRACES[name]
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    assert refused("replay", path, "--memory-map", small[1]).startswith(f"{path}{told}")


def test_a_trace_that_is_not_there_or_not_gzip(tmp_path):
    missing, plain = tmp_path / "none.csv", tmp_path / "t.csv.gz"
    plain.write_text(HEADER)
    assert refused("replay", missing).startswith(f"{missing}: No such file or directory; ")
    assert refused("replay", plain).startswith(f"{plain}: the name ends in .gz but ")


def test_a_memory_map_without_ram_or_not_there(tmp_path):
    path = tmp_path / "iomem"
    path.write_text("00000000-00000fff : Reserved\n")
    assert refused("replay", SAMPLE, "--memory-map", path).startswith(f"{path}: no RAM ")
    missing = tmp_path / "none"
    assert (
        refused("replay", SAMPLE, "--memory-map", missing)
        == f"{missing}: No such file or directory"
    )


def test_figures_that_make_no_sense():
    assert refused("replay", SAMPLE, "--page-size", 4097).startswith("page_size is 4097; ")
    assert refused("replay", SAMPLE, "--max-order", 32).startswith("max_order is '32'; ")
    assert refused("replay", SAMPLE, "--policy", "best").startswith("policy is 'best'; ")
    assert refused("replay", SAMPLE, "--memory", "1 KiB").startswith("the memory of 1024 bytes ")
    assert refused("replay", SAMPLE, "--device", "0").endswith("leave the device out")
    told = refused("replay", SAMPLE, "--memory", "1 MiB", "--memory-map", IOMEM)
    assert told == "give --memory or --memory-map, not both"
    code, text, complaint = run("replay", SAMPLE, "--at", "noon")
    assert (code, text) == (2, "")
    assert "--at" in complaint


def test_more_memory_than_there_is_metadata_for(tmp_path, small):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))

    path = tmp_path / "iomem"
    path.write_text("00000000-1ffffffffff : System RAM\n")  # 2 TiB: 4.4 GiB of metadata
    told = refused(
        "replay", small[0], "--memory-map", path, code=1, before=limit, OPENBLAS_NUM_THREADS="1"
    )
    assert told == "there is not enough memory here for the metadata of so many pages"


def test_a_picture_that_cannot_be_drawn_is_refused_first(tmp_path):
    missing = tmp_path / "none.csv"  # not looked at
    told = refused("replay", missing, "--picture", "memory.txt")
    assert told == "cannot draw memory.txt: the name of a picture ends in .svg, .png or .pdf"
    path = tmp_path / "none" / "memory.svg"
    assert refused("replay", missing, "--picture", path).endswith(
        f"there is no folder {path.parent}"
    )
    path = tmp_path / "memory.svg"
    for option in ("--picture", "--over-time"):
        told = refused("replay", missing, option, path, "--max-order", "9,10")
        assert told.startswith("cannot draw 2 replays as one picture; ")


def test_without_the_extras_it_names_them(tmp_path):
    told = refused("--version", python=["-S"], code=1)  # -S: nothing but the standard library
    assert told.endswith("pip install 'pagebuddy[cli]'")
    (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError(name='matplotlib')")
    path = f"{PACKAGES}{os.pathsep}{tmp_path}"
    told = refused("replay", SAMPLE, "--picture", tmp_path / "a.png", code=1, PYTHONPATH=path)
    assert told.endswith("pip install 'pagebuddy[plot]'")


def test_version_and_help():
    code, text, _ = run("--version")
    assert code == 0
    assert text.startswith(f"pagebuddy {pagebuddy.__version__}, the engine is ")
    code, text, _ = run("--help")
    assert code == 0
    assert "replay" in text
    code, text, _ = run("replay", "--help")
    assert code == 0
    assert max(map(len, text.splitlines())) <= 80
    assert "pagebuddy replay data/kernel-server.csv.gz --memory-map data/iomem.txt\n" in text


def test_in_a_terminal(small):
    """With colour and a progress bar; the bar is not mixed into what is printed."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "pagebuddy", "replay", str(small[0])]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, env=environment(TERM="xterm-256color")
    )
    printed, _ = process.communicate(timeout=120)
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert process.returncode == 0
    assert "replaying" in shown
    assert "100%" in shown
    assert "6 events" in shown
    assert b"replaying" not in printed
    assert b"\x1b" not in printed


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_reader_that_leaves_early(small, options):
    """As in `pagebuddy replay … | head -1`: no traceback."""
    command = [sys.executable, "-m", "pagebuddy", "replay", str(small[0]), *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    process.stdout.close()
    complaint = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=120)
    assert complaint == b""
