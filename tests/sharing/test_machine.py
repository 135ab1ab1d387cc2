"""Processes that share an arena agree with the naive model; the machine finds deliberate faults."""

from __future__ import annotations

import importlib.util
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from verification.processes_machine.machine import processes_machine_for
from verification.processes_machine.nursery import Nursery, Refused

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="arenas are shared on Linux")

FLAWED = Path(__file__).with_name("flawed_nursery.py")
FLAWS = [
    pytest.param("a child holds nothing", marks=pytest.mark.soak),
    pytest.param("a claimed ticket stays", marks=pytest.mark.soak),
    pytest.param("an object that was replaced stays", marks=pytest.mark.soak),
    "the dead are forgotten, and what they held stays",
]


def is_compiled():
    chosen = os.environ.get("PAGEBUDDY_PURE") != "1"
    return chosen and importlib.util.find_spec("pagebuddy._compiled") is not None


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("engines", "lock"),
    [
        (["compiled"], "mutex"),
        (["compiled"], "file"),
        (["uncompiled"], "file"),
        (["compiled", "uncompiled"], "file"),
    ],
    ids=["compiled", "compiled, by file", "uncompiled", "of both engines"],
)
def test_processes_agree_with_the_model(engines, lock, effort):
    if "compiled" in engines and not is_compiled():
        pytest.skip("the engine was not compiled here, or shall not be used")
    with ExitStack() as nurseries:
        crew = [nurseries.enter_context(Nursery(engine)) for engine in engines]
        run_state_machine_as_test(
            processes_machine_for(crew, lock), settings=settings(max_examples=effort.pick(4, 6))
        )
        assert [nursery.said for nursery in crew] == [""] * len(crew)


@pytest.mark.parametrize("flaw", FLAWS)
def test_the_machine_finds_a_deliberate_fault(flaw):
    few = settings(
        max_examples=200,
        stateful_step_count=40,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
    )
    with (
        Nursery("uncompiled", [str(FLAWED), flaw]) as nursery,
        pytest.raises((AssertionError, Refused)),
    ):
        run_state_machine_as_test(processes_machine_for([nursery], "file"), settings=few)
