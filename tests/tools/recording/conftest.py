"""A tracefs to record with, where this machine lets us have one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pagebuddy.tools.recording import tracefs

# What another user of tracefs would see changed.
STATE = (
    "buffer_size_kb",
    "buffer_total_size_kb",
    "current_tracer",
    "set_event",
    "set_event_pid",
    "trace_clock",
    "trace_options",
    "tracing_cpumask",
    "tracing_on",
    "events/enable",
    "events/kmem/enable",
    "events/kmem/mm_page_alloc/enable",
    "events/kmem/mm_page_free/enable",
)


@pytest.fixture(scope="session")
def mounted_tracefs(tmp_path_factory):
    """Where tracefs is: as mounted here, or mounted for these tests. Needs root."""
    try:
        where, ours = tracefs.find(), False
    except OSError:
        where, ours = tmp_path_factory.mktemp("tracefs"), True
        mount = ["mount", "-t", "tracefs", "nodev", where]
        try:
            subprocess.run(mount, capture_output=True, timeout=60, check=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("tracefs is not mounted and cannot be")
    try:
        (where / "instances" / "pagebuddy-0-probe").mkdir()
        (where / "instances" / "pagebuddy-0-probe").rmdir()
    except OSError as error:
        pytest.skip(f"tracefs cannot be used: {error.strerror}")
    yield where
    if ours:
        subprocess.run(["umount", where], check=True, timeout=60)


def state_of(where: Path) -> dict[str, object]:
    """What a recording must leave as it found it."""
    files: dict[str, object] = {file: (where / file).read_text() for file in STATE}
    return files | {"instances": sorted(folder.name for folder in (where / "instances").iterdir())}


@pytest.fixture
def tracing(mounted_tracefs):
    """Where tracefs is. After the test it must be as it was."""
    before = state_of(mounted_tracefs)
    yield mounted_tracefs
    assert state_of(mounted_tracefs) == before
