"""What the tests of the models share: checks of a search's result, and the command line of a model."""

from __future__ import annotations

import subprocess
import sys


def check_sound(result, figures):
    """Check that a search visited all states, so many, and found no violation."""
    assert result.violation is None, "\n".join(result.trace)
    assert result.complete
    assert (result.states, result.transitions) == figures


def check_damage(result, flaw, damage):
    """Check that a search found the damage of a flaw. `damage` is a part of its message."""
    assert result.violation is not None, (
        f"no violation found although this rule is broken: {flaw.rule}"
    )
    assert damage in result.violation
    assert result.trace


def worlds_only_in(damage, worlds, configuration):
    """The worlds in which flaws do damage, each once, without those that are searched completely."""
    searched = {configuration(**bounds) for bounds, _ in worlds.values()}
    found = dict.fromkeys(configuration(**bounds) for bounds, _ in damage.values())
    return [world for world in found if world not in searched]


def check_stopped(result):
    """Check that a search says that it did not visit all states."""
    assert not result.complete
    assert result.violation is None


def run(line: str) -> subprocess.CompletedProcess[str]:
    """Run the command line of a model: its name, and options."""
    return subprocess.run(
        [sys.executable, "-m", *f"verification.{line}".split()],
        capture_output=True,
        text=True,
        timeout=60,
    )
