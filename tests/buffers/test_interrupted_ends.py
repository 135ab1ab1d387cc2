"""An interrupt at any step of the end of an object: the next operation ends its hold, once."""

from __future__ import annotations

import gc
import pickle
import sys

import pytest

from tests.exchange.strikes import Tracer, account, steps


@pytest.fixture(params=["line", "opcode"])
def opcodes(request):
    return request.param == "opcode"


def struck_while_it_ends(things, at, opcodes):
    """Drop the objects in a list, and raise at a step of that; return whether it was reached."""
    # All files: uncompiled, the engine too consists of steps.
    tracer = Tracer(at, "compiled", opcodes)
    before = sys.gettrace()
    gc.disable()
    sys.settrace(tracer)
    try:
        things.clear()
    finally:
        sys.settrace(before)
        gc.enable()
    return tracer.has_struck


@pytest.mark.parametrize("n_others", [0, 2])
def test_the_next_operation_ends_a_hold_whose_end_was_interrupted(
    Arena, effort, opcodes, n_others, monkeypatch
):
    monkeypatch.setattr(sys, "unraisablehook", lambda failure: None)
    arena = Arena("1 MiB")
    beside = arena.alloc(5000)
    before = account(arena)
    for at in steps(effort, opcodes):
        buffer = arena.alloc(9000)
        with_it = account(arena)
        others = [pickle.loads(pickle.dumps(buffer)) for _ in range(n_others)]
        things = [buffer]
        del buffer
        reached = struck_while_it_ends(things, at, opcodes)
        assert account(arena) == (with_it if others else before), at
        while others:
            others.pop()
            assert account(arena) == (with_it if others else before), at
        arena.verify()
        if not reached:
            break
    assert len(beside) == 5000


def test_an_interrupt_while_another_end_is_deferred_loses_neither(
    Arena, effort, opcodes, monkeypatch
):
    monkeypatch.setattr(sys, "unraisablehook", lambda failure: None)
    arena = Arena("1 MiB")
    before = account(arena)
    for at in steps(effort, opcodes):
        things = [arena.alloc(9000), arena.alloc(100)]
        things.append(pickle.loads(pickle.dumps(things[0])))
        reached = struck_while_it_ends(things, at, opcodes)
        assert account(arena) == before, at
        if not reached:
            break
