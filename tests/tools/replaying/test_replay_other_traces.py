"""The verb `replay` on other people's traces: sizes in bytes, from RMM, PyTorch, or anybody."""

from __future__ import annotations

import gzip
import pickle

import pytest

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
        "events": "6; replayed 4 allocations and 2 frees",
        "empty": "1 allocation of 0 bytes, which need no page",
        "at the peak": "21 pages, 84 KiB, 32.8 % used, in 2 spans",
        "rounding": "5.88 KiB of 84 KiB used at the peak was not requested, 7.0 %",
    },
    "rmm.csv": {
        "format": "RMM log",
        "events": "5; replayed 3 allocations and 2 frees",
        "out of order": "1 event with an earlier time than the event before",
        "failed": "1 allocation of the recorded system, not replayed",
        "at the peak": "21 pages, 84 KiB, 32.8 % used, in 2 spans",
        "rounding": "5.88 KiB of 84 KiB used at the peak was not requested, 7.0 %",
    },
    "torch.pickle": {
        "format": "PyTorch snapshot",
        "events": "5; replayed 3 allocations and 2 frees",
        "at the peak": "21 pages, 84 KiB, 32.8 % used, in 2 spans",
        "rounding": "5.5 KiB of 84 KiB used at the peak was not requested, 6.5 %",
    },
}


@pytest.mark.parametrize("name", IN_BYTES)
def test_other_peoples_traces(in_bytes, name, pagebuddy_command):
    code, text, complaint = pagebuddy_command("replay", in_bytes[name])
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
        *("trace", "memory", "allocator", "failures", "checked", "at the end"),
        *("engine", "with parsing"),
    }


def test_side_by_side(in_bytes, pagebuddy_command):
    options = ("--page-size", "512,4KiB", "--policy", "exact,blocks", "--memory", "1 MiB")
    code, text, complaint = pagebuddy_command("replay", in_bytes["rmm.csv"], *options)
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


def test_lines_in_any_order(in_bytes, small, pagebuddy_command):
    """Nothing can be said about such a trace but how much of it made sense."""
    for path, told in (
        (small[0], "2 frees without a recorded allocation"),
        (in_bytes["bytes.csv"], "2 frees without a recorded allocation"),
    ):
        header, *lines = path.read_text().splitlines()
        path.write_text("\n".join([header, *reversed(lines)]))
        code, text, complaint = pagebuddy_command("replay", path, "--memory", "64 MiB")
        assert (code, complaint) == (0, "")
        assert told in text
        assert "no page was allocated twice" in text


def test_a_snapshot_that_would_run_something(tmp_path, refused):
    path = tmp_path / "snapshot.pickle"
    path.write_bytes(b"\x80\x02cos\nsystem\n(S'touch harm'\ntR.")
    told = refused("replay", path, folder=tmp_path)
    assert told.startswith(f"{path}: this pickle contains more than data: it names os.system; ")
    assert not (tmp_path / "harm").exists()


def test_one_of_several_devices(tmp_path, pagebuddy_command, refused):
    path = tmp_path / "snapshot.pickle"
    path.write_bytes(pickle.dumps({"segments": [], "device_traces": [TORCH, [], TORCH[:1]]}))
    assert refused("replay", path).endswith("memory of devices 0, 2; select one with --device")
    code, text, _ = pagebuddy_command("replay", path, "--device", 2)
    assert code == 0
    assert "1; replayed 1 allocation and 0 frees" in text


@pytest.mark.parametrize("name", IN_BYTES)
def test_no_events_in_bytes(tmp_path, name, pagebuddy_command, refused):
    path = tmp_path / name
    path.write_bytes(
        {
            "bytes.csv": b"op,id,bytes\n",
            "rmm.csv": b"Thread,Time,Action,Pointer,Size,Stream\n",
            "torch.pickle": pickle.dumps({"segments": [], "device_traces": [[]]}),
        }[name]
    )
    assert refused("replay", path).startswith(f"{path}: the trace has no events")
    code, text, _ = pagebuddy_command("replay", path, "--memory", "1MiB")
    assert code == 0
    assert "0; replayed 0 allocations and 0 frees" in text
    assert "no memory lost" in text
