"""A NAME that is none, as each verb tells it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pagebuddy.sharing.system import lease
from pagebuddy.sharing.words import SLOT_STATE, SLOT_WORDS

pytestmark = pytest.mark.soak  # each test starts programs

SECONDS = 120


@pytest.mark.parametrize("verb", ["stat", "map", "check", "reap", "rm"])
def test_a_name_that_is_none(verb, name, refused, tmp_path):
    assert refused(verb, name).startswith(f"no arena is named {name}; ")
    assert "letters" in refused(verb, "two words")
    (tmp_path / "text").write_text("not an arena, but long enough for its first words to be read")
    assert refused(verb, tmp_path / "text").endswith("is not an arena: it starts with b'not an a'")
    assert (tmp_path / "text").exists()


def test_a_complaint_where_nobody_can_hear_it(name, pagebuddy_command):
    """Its exit code says it still."""
    told = pagebuddy_command("stat", name, before=lambda: os.close(2))
    assert told == (2, "", "")


@pytest.mark.parametrize("every", ["0", "inf", "1e10", "nan"])
def test_how_often_to_look_is_checked(arena, name, pagebuddy_command, every):
    code, text, complaint = pagebuddy_command("stat", name, "--watch", "--every", every)
    assert (code, text) == (2, "")
    assert "invalid value for '--every'" in complaint


@pytest.mark.parametrize("verb", ["ls", "stat", "map", "check", "reap"])
@pytest.mark.parametrize(
    "options", [[], pytest.param(["--json"], marks=pytest.mark.soak)], ids=["text", "json"]
)
def test_a_disk_that_is_full(arena, name, surroundings, verb, options):
    if (verb, options) == ("map", ["--json"]):
        pytest.skip("it prints no figures")
    # What is printed is told at its end, or as it comes.
    buffered = {**surroundings, "PYTHONUNBUFFERED": ""}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pagebuddy", verb, name, *options],
            env=buffered,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=SECONDS,
        )
    assert done.stderr in (
        "pagebuddy: cannot print: No space left on device\n",
        "pagebuddy: No space left on device\n",
    )
    assert done.returncode == 2


def test_slots_that_are_taken_are_no_damage(arena, name, refused):
    """Exit code 3: nothing is wrong with the arena or the argument."""
    words, layout = arena._open.memory, arena._open.layout
    # As if a process lived in each slot but this one's.
    leases = [lease.take(arena.fileno(), slot) for slot in range(2, layout.n_slots)]
    for slot in range(2, layout.n_slots):
        words[layout.slots_at + slot * SLOT_WORDS + SLOT_STATE] = 1 << 63
    for verb in ("check", "reap"):
        assert "slots for 47 processes, and all are taken" in refused(verb, name, code=3)
    for taken in leases:
        taken.release()


@pytest.mark.parametrize("verb", ["ls", "stat", "map", "check", "reap"])
def test_a_reader_that_has_left_is_no_error(arena, name, surroundings, verb):
    process = subprocess.Popen(
        [sys.executable, "-m", "pagebuddy", verb, name],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=surroundings,
    )
    process.stdout.close()
    with process:
        assert process.stderr.read() == b""
    assert process.returncode == 0
