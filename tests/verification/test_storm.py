"""Short storms: processes are killed at random, and nothing is lost. `make storm` runs long ones."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from verification.storm import pattern


def storm(*options, **environment):
    """Run a storm in its own process. Return the completed process."""
    return subprocess.run(
        [sys.executable, "-m", "verification.storm", "--limit", "10", *options],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(("lock", "seconds"), [("mutex", 10), ("file", 5)])
def test_nothing_is_left_of_a_storm(engine, lock, seconds, effort):
    environment = {}
    if engine == "uncompiled":
        if lock == "mutex":
            pytest.skip("uncompiled there is no mutex")
        environment = {"PAGEBUDDY_PURE": "1"}
    done = storm("--seconds", str(effort.pick(2, seconds, 60)), "--lock", lock, **environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.startswith(engine)


def test_a_changed_byte_is_noticed():
    view = memoryview(bytearray(5000))
    pattern.write(view, 7)
    assert pattern.is_sound(view)
    for at in (0, 8, 16, 4999):
        view[at] ^= 1
        assert not pattern.is_sound(view)
        view[at] ^= 1
    assert pattern.is_sound(view[:4999]) is False
