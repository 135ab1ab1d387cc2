"""Reading snapshots of PyTorch's memory: what counts, what was before, and what is not a snapshot."""

from __future__ import annotations

import contextlib
import gzip
import pickle
from pathlib import Path

import pytest

from pagebuddy.tools.traces.trace import Trace, TraceError

BASE = 0x7F4A00000000


def event(action, addr, size, time=None):
    """An entry of a history, as PyTorch writes it."""
    frames = [{"name": "forward", "filename": "model.py", "line": 7}]
    entry = {"action": action, "addr": BASE + addr, "size": size, "stream": 0, "frames": frames}
    if action == "oom":
        entry["device_free"] = entry.pop("addr")
    return entry if time is None else entry | {"time_us": time}


def segment(address, *blocks, device=0, stream=0):
    """A segment with blocks of (state, size), one behind the other, as PyTorch writes it."""
    total = sum(size for _, size in blocks)
    places = []
    for state, size in blocks:
        at = BASE + address + sum(block["size"] for block in places)
        places.append({"address": at, "size": size, "requested_size": size, "state": state})
    return {
        "device": device,
        "address": BASE + address,
        "total_size": total,
        "stream": stream,
        "segment_type": "large",
        "segment_pool_id": (0, 0),
        "is_expandable": False,
        "blocks": places,
    }


def snapshot(*histories, segments=()):
    settings = {"PYTORCH_CUDA_ALLOC_CONF": "", "garbage_collection_threshold": 0.0}
    return {
        "segments": list(segments),
        "device_traces": [list(history) for history in histories],
        "allocator_settings": settings,
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "snapshot.pickle"


def rows(path, content, **options):
    if not isinstance(content, bytes):
        content = pickle.dumps(content)
    path.write_bytes(content)
    trace = Trace(path, **options)
    found = []
    for events in trace:
        parts = (part.tolist() for part in events[:3])
        found += [(alloc, key - BASE, size) for alloc, key, size in zip(*parts, strict=True)]
    return found, trace


HISTORY = [
    event("segment_alloc", 0, 2 << 20),
    event("alloc", 0, 512),
    event("alloc", 512, 1024),
    event("free_requested", 0, 512),
    event("alloc", 2048, 512),
    event("free_completed", 0, 512),
    event("oom", 0, 1 << 40),
    event("snapshot", 0, 0),
]
EXPECTED = [(True, 0, 512), (True, 512, 1024), (True, 2048, 512), (False, 0, 512)]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_the_history(path, protocol, compress):
    content = compress(pickle.dumps(snapshot(HISTORY), protocol))
    found, trace = rows(path, content)
    assert found == EXPECTED
    assert (trace.n_events, trace.failed, trace.assumed) == (4, 1, 0)
    assert (trace.format, trace.unit.value, trace.done) == ("PyTorch snapshot", "bytes", 1.0)


def test_what_was_there_before_the_history(path):
    """Freed without having been allocated, or lying in a segment without having been seen."""
    history = [
        event("alloc", 0, 512),
        event("free_completed", 1024, 256),
        event("alloc", 1024, 64),
        event("free_completed", 0, 512),
    ]
    blocks = [
        ("inactive", 1024),  # where something was, in the history
        ("active_allocated", 64),  # allocated in the history
        ("active_allocated", 4096),
        ("active_pending_free", 128),
        ("inactive", 4096),
    ]
    found, trace = rows(path, snapshot(history, segments=[segment(0, *blocks)]))
    earlier = [(True, 1024, 256), (True, 1088, 4096), (True, 1088 + 4096, 128)]
    assert found[:3] == earlier
    assert found[3:] == [(True, 0, 512), (False, 1024, 256), (True, 1024, 64), (False, 0, 512)]
    assert trace.assumed == 3


def test_no_history_is_still_a_picture_of_the_end(path):
    blocks = [("active_allocated", 512), ("inactive", 512)]
    assert rows(path, snapshot([], segments=[segment(0, *blocks)]))[0] == [(True, 0, 512)]


def test_nothing_at_all(path):
    for content in (snapshot(), snapshot([], []), snapshot([], segments=[segment(0)])):
        found, trace = rows(path, content)
        assert (found, trace.n_events) == ([], 0)


def test_many_events_come_in_stretches(path):
    history = [event("alloc", i << 9, 512, time=i) for i in range(100_000)]
    path.write_bytes(pickle.dumps(snapshot(history)))
    sizes = [events.key.size for events in Trace(path)]
    assert sum(sizes) == 100_000
    assert max(sizes) < 70_000


def test_events_out_of_order_are_counted(path):
    history = [event("alloc", i, 1, time=time) for i, time in enumerate([5, 7, 6, 6, 8, 1])]
    assert rows(path, snapshot(history))[1].disordered == 2


def test_one_device_of_several(path):
    other = [event("alloc", 4096, 8)]
    both = snapshot([], HISTORY, other, segments=[segment(0, ("active_allocated", 3), device=4)])
    with pytest.raises(TraceError, match="devices 1, 2, 4; select one with --device"):
        rows(path, both)
    assert rows(path, both, device=1)[0] == EXPECTED
    assert rows(path, both, device=2)[0] == [(True, 4096, 8)]
    assert rows(path, both, device=4)[0] == [(True, 0, 3)]
    with pytest.raises(TraceError, match="no events of device 0; devices with events: 1, 2, 4"):
        rows(path, both, device=0)


class Touches:
    """Makes a file when it is unpickled, if it may."""

    def __init__(self, victim):
        self.victim = victim

    def __reduce__(self):
        return Path.touch, (self.victim,)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nothing_in_a_pickle_is_run(path, tmp_path, protocol):
    victim = tmp_path / "victim"
    content = pickle.dumps(snapshot(HISTORY) | {"more": Touches(victim)}, protocol)
    with pytest.raises(TraceError, match="contains more than data: it names") as caught:
        rows(path, content)
    assert "no code of this file was run" in str(caught.value)
    assert not victim.exists()
    pickle.loads(content)
    assert victim.exists(), "the pickle is harmless anyway, so this proves nothing"


@pytest.mark.parametrize(
    "code",
    [
        b"\x80\x02cos\nsystem\n(S'true'\ntR.",
        b"\x80\x02(S'true'\nios\nsystem\n.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
        b"\x80\x02ccopyreg\n_reconstructor\n.",
        b"\x80\x02}Pelsewhere\n.",
        b"\x80\x02K\x01Q.",
    ],
    ids=["GLOBAL", "INST", "STACK_GLOBAL", "copyreg", "PERSID", "BINPERSID"],
)
def test_no_opcode_gets_at_a_name(path, code):
    with pytest.raises(TraceError, match=r"contains more than data: it (names|refers to)"):
        rows(path, code)


WRONG = {
    "a list": ([], "it has no device_traces"),
    "another dict": ({"segments": []}, "it has no device_traces"),
    "no list": (snapshot() | {"device_traces": 7}, "device_traces is 7, not a list"),
    "no lists": (snapshot() | {"device_traces": ["x"]}, "device 0 is of type str, not a list"),
    "no entry": (snapshot(["alloc"]), "event 0 is of type str, not a dict"),
    "no action": (snapshot([HISTORY[1], {"addr": 1}]), "event 1 has no action"),
    "no word": (snapshot([{"action": []}]), "action of event 0 is of type list"),
    "no address": (snapshot([{"action": "alloc", "size": 1}]), "event 0 has no addr"),
    "a large address": (snapshot([event("alloc", 2**63, 1)]), "addr of event 0 is"),
    "a huge size": (snapshot([event("alloc", 1, 10**9999)]), "size of event 0 is of type int"),
    "a negative size": (snapshot([event("alloc", 1, -1)]), "size of event 0 is -1"),
    "no size": (snapshot([event("alloc", 1, "1")]), "size of event 0 is of type str"),
    "no blocks": (snapshot([], segments=[{"address": 1}]), "segment 0 has no blocks"),
    "no state": (
        snapshot([], segments=[{"address": 1, "blocks": [{"size": 1}]}]),
        "a block of segment 0 has no state",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_snapshot(path, name):
    content, told = WRONG[name]
    with pytest.raises(TraceError, match="not a snapshot of PyTorch") as caught:
        rows(path, content)
    assert told in str(caught.value)


def test_a_damaged_pickle(path):
    """Wherever it is cut, and with any byte changed: read, or refused as a trace."""
    whole = pickle.dumps(snapshot(HISTORY[:3], segments=[segment(0, ("active_allocated", 512))]))
    assert len(rows(path, whole)[0]) == 2
    for length in range(1, len(whole)):
        with pytest.raises(TraceError, match="the pickle cannot be read"):
            rows(path, whole[:length])
    for at in range(1, len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 0x41
        with contextlib.suppress(TraceError):
            rows(path, bytes(changed))


def test_damaged_gzip(path):
    whole = gzip.compress(pickle.dumps(snapshot(HISTORY * 5000)))
    with pytest.raises(TraceError, match="the gzip data ends too soon"):
        rows(path, whole[:-20])
