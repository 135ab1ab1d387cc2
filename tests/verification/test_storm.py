"""Short storms: processes are killed at random, and nothing is lost. `make storm` runs long ones."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from verification.storm import calls, messages, pattern


def storm(*options, module="verification.storm", **environment):
    """Run a storm in its own process. Return the completed process."""
    return subprocess.run(
        [sys.executable, "-m", module, "--limit", "10", *options],
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


@pytest.mark.parametrize(("lock", "seconds"), [("mutex", 20), ("file", 10)])
def test_a_storm_at_a_queue_loses_no_message_and_repeats_none(engine, lock, seconds, effort):
    environment = {}
    if engine == "uncompiled":
        if lock == "mutex":
            pytest.skip("uncompiled there is no mutex")
        environment = {"PAGEBUDDY_PURE": "1"}
    options = ("--seconds", str(effort.pick(1, seconds, 60)), "--lock", lock)
    done = storm(*options, module="verification.storm.messages", **environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.startswith(engine)


@pytest.mark.parametrize("policy", ["drop", "block"])
def test_in_a_storm_at_a_topic_what_does_not_come_counts_as_missed(engine, policy, effort):
    environment = {"PAGEBUDDY_PURE": "1"} if engine == "uncompiled" else {}
    options = ("--seconds", str(effort.pick(1, 10, 60)), "--policy", policy)
    done = storm(*options, module="verification.storm.topics", **environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert " 0 read" not in done.stdout


@pytest.mark.one_engine
@pytest.mark.parametrize("start", ["forkserver", pytest.param("spawn", marks=pytest.mark.soak)])
def test_in_a_storm_in_a_pool_no_call_is_lost_but_those_that_dead_workers_ran(
    engine, start, effort
):
    environment = {"PAGEBUDDY_PURE": "1"} if engine == "uncompiled" else {}
    options = ("--seconds", str(effort.pick(1, 20, 60)), "--start", start)
    done = storm(*options, module="verification.storm.pool", **environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert " 0 killed" not in done.stdout


def test_a_wrong_result_of_a_call_is_noticed():
    for kind in set(calls.KINDS) - {"short", "pause"}:
        argument = np.zeros(100, "u1")
        with pytest.raises(AssertionError, match="call 7"):
            calls.answer(7, kind, {"array": argument} if kind == "frame" else argument)
        pattern.write(memoryview(argument), 7)
        result = calls.answer(7, kind, {"array": argument} if kind == "frame" else argument)
        assert calls.is_right(7, kind, result)
        assert not calls.is_right(8, kind, result)


def test_a_message_that_was_changed_is_noticed():
    for kind in range(3):
        assert messages.is_sound(messages.message_of(3, 500, kind))
        assert not messages.is_sound((4, *messages.message_of(3, 500, kind)[1:]))


def test_a_changed_byte_is_noticed():
    view = memoryview(bytearray(5000))
    pattern.write(view, 7)
    assert pattern.is_sound(view)
    for at in (0, 8, 16, 4999):
        view[at] ^= 1
        assert not pattern.is_sound(view)
        view[at] ^= 1
    assert pattern.is_sound(view[:4999]) is False
