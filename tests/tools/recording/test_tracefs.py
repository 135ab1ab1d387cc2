"""The kernel's own recording: what we read in its buffers is what it says is in them. Needs root."""

from __future__ import annotations

import mmap
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pagebuddy.tools.recording import tracefs
from pagebuddy.tools.recording.event_order import EventOrder
from pagebuddy.tools.recording.timed_events import TimedEvents
from pagebuddy.tools.traces import ftrace

MOUNTS = """\
sysfs /sys sysfs rw,nosuid 0 0
/dev/vda /home/tracefs ext4 rw 0 0
tracefs /mnt/a\\040b\\134c tracefs rw 0 0
nodev /sys/kernel/tracing tracefs rw 0 0
"""


def test_finding_it():
    assert tracefs.mounted(MOUNTS) == Path("/mnt/a b\\c")
    assert tracefs.mounted("") is None


def touch(n_pages):
    """Have the kernel give out pages, and take them back."""
    memory = mmap.mmap(-1, n_pages * 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    for at in range(0, len(memory), 4096):
        memory[at] = 1
    memory.close()


def drain(instance, in_order):
    parts = []
    more = True
    while more:
        reads = instance.read()
        parts.append(in_order.add(reads))
        more = not all(read.drained for read in reads)
    return [*parts, in_order.rest()]


def test_it_reads_what_the_kernel_prints(tracing):
    """The kernel's text of the same buffers, in its order, is the oracle."""
    with tracefs.Instance(tracing, 8 << 20) as instance:
        instance.start()
        touch(20_000)
        subprocess.run([sys.executable, "-S", "-c", "pass"], check=True, timeout=60)
        instance.stop()
        printed = ftrace.parse((instance._folder / "trace").read_bytes())
        read = TimedEvents.joined(drain(instance, EventOrder()))
        assert instance.lost() == printed.lost == 0
    assert read.time.size > 20_000
    served = read.served
    assert np.array_equal(read.is_alloc[served], printed.is_alloc)
    assert np.array_equal(read.pfn[served], printed.key)
    assert np.array_equal(read.order[served], printed.size)


def test_nothing_is_read_twice_or_left_out_while_it_is_written(tracing):
    """Read round by round meanwhile: as many events as the kernel counted, in order."""
    in_order = EventOrder()
    with tracefs.Instance(tracing, 8 << 20) as instance:
        instance.start()
        parts = []
        for _ in range(20):
            touch(500)
            parts.append(in_order.add(instance.read()))
        instance.stop()
        parts += drain(instance, in_order)
        counted = 0
        for processor in (instance._folder / "per_cpu").iterdir():
            stats = dict(
                line.split(": ") for line in (processor / "stats").read_text().splitlines()
            )
            counted += int(stats["read events"])
            assert stats["entries"] == "0"
        assert instance.lost() == 0
    events = TimedEvents.joined(parts)
    assert events.time.size == counted
    assert (np.diff(events.time.astype(np.int64)) >= 0).all()


def test_lost_events_are_counted(tracing):
    with tracefs.Instance(tracing, 1) as instance:
        instance.start()
        touch(20_000)
        instance.stop()
        events = TimedEvents.joined(drain(instance, EventOrder()))
        stats = "".join(path.read_text() for path in instance._folder.glob("per_cpu/*/stats"))
        # What was there first stays: a page's worth is overwritten to make room for one.
        assert set(re.findall(r"^overrun: (\d+)$", stats, re.MULTILINE)) == {"0"}
        assert events.time.size > 0
        assert events.time.size + instance.lost() > 20_000


def test_it_is_gone_whatever_happened(tracing):
    def fail():
        with tracefs.Instance(tracing, 1 << 20) as instance:
            instance.start()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(OSError, match=r"cannot allocate buffers of .* use a smaller --buffer"):
        tracefs.Instance(tracing, 1 << 50).__enter__()
    assert len(os.listdir("/dev/fd")) == before


def test_what_a_killed_recorder_left_is_removed_by_the_next(tracing):
    with subprocess.Popen(["true"]) as process:
        process.wait()
        pid = process.pid
    left, living, strange = (
        tracing / "instances" / name
        for name in (f"pagebuddy-{pid}-x", f"pagebuddy-{os.getppid()}-x", "pagebuddy-mine")
    )
    for folder in (left, living, strange):
        folder.mkdir()
    try:
        with tracefs.Instance(tracing, 1 << 20):
            assert not left.exists()
            assert living.exists()
            assert strange.exists()
    finally:
        for folder in (left, living, strange):
            if folder.exists():
                folder.rmdir()


def test_one_in_use_by_a_process_that_cannot_be_seen_is_let_be(tracing):
    with subprocess.Popen(["true"]) as process:
        process.wait()
    used = tracing / "instances" / f"pagebuddy-{process.pid}-x"
    used.mkdir()
    try:
        descriptor = os.open(used / "per_cpu/cpu0/trace_pipe_raw", os.O_RDONLY | os.O_NONBLOCK)
        try:
            with tracefs.Instance(tracing, 1 << 20):
                assert used.exists()
        finally:
            os.close(descriptor)
    finally:
        used.rmdir()


def test_a_folder_that_is_no_tracefs(tmp_path):
    with pytest.raises(FileNotFoundError), tracefs.Instance(tmp_path, 1 << 20):
        pass
