"""An exception at any step of dumps, loads, put, get and submit leaves no ticket, hold or page (S11).

A trace function raises at the k-th step within the package, for every k. The everyday run takes every
seventh step, from a random first one on.
"""

from __future__ import annotations

import dis
import gc
import multiprocessing
import sys
from contextlib import suppress
from pathlib import Path
from queue import Full

import numpy as np
import pytest

import pagebuddy
from pagebuddy import StaleHandle

PACKAGE = str(Path(pagebuddy.__file__).parent)

# Uncompiled, the engine itself consists of steps: an exception there costs what the process holds.
SENDS = ("exchange", "arena", "pool", "joining/sending", "joining/handle")


HANDLING = ("PUSH_EXC_INFO", "POP_EXCEPT", "RERAISE", "COPY")


class Struck(BaseException):
    """What a step raises."""


class Tracer:
    """Raises `Struck` at one step within the package, counted from 0; counts the steps."""

    def __init__(self, at, engine, opcodes):
        self.at = at
        self.n_steps = 0
        self.files = [PACKAGE] if engine == "compiled" else [f"{PACKAGE}/{x}" for x in SENDS]
        self.sending = [f"{PACKAGE}/sharing/{x}" for x in SENDS if "/" in x]
        self.opcodes = opcodes

    def __call__(self, frame, event, arg):
        name = frame.f_code.co_filename
        if not name.startswith(tuple(self.files + self.sending)):
            return None
        frame.f_trace_opcodes = self.opcodes
        return self.step

    def step(self, frame, event, arg):
        if event != ("opcode" if self.opcodes else "line") or is_left_out(frame):
            return self.step
        self.n_steps += 1
        if self.n_steps == self.at + 1:
            sys.settrace(None)
            raise Struck
        return self.step


def is_left_out(frame):
    """Whether a step is not one to raise at.

    Between a return and its assignment, what is returned may be lost. In the interpreter's own steps
    around a handler no signal is handled, and an exception there is kept for ever as the one handled.
    """
    opcode = dis.opname[frame.f_code.co_code[frame.f_lasti]]
    return opcode.startswith("RETURN_") or opcode in HANDLING


def strike(call, at, engine, opcodes):
    """Call a function, and raise at a step; return whether it was reached before the end."""
    tracer = Tracer(at, engine, opcodes)
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        call()
    except Struck:
        return True
    finally:
        sys.settrace(before)
    assert tracer.n_steps <= at
    return False


@pytest.fixture
def arena(Arena):
    return Arena("4 MiB")


@pytest.fixture
def other(Arena):
    return Arena("1 MiB")


@pytest.fixture(params=["line", "opcode"])
def opcodes(request):
    return request.param == "opcode"


def account(arena):
    """What is held, exactly."""
    gc.collect()
    stats = arena.stats()
    return stats.tickets, stats.used, [(row.offset, row.nbytes) for row in arena.buffers()]


def thing_of(arena, other):
    """An object with arrays of the arena and not, a Buffer, and a Buffer of another arena."""
    return [
        arena.zeros(3000),
        np.ones(700),
        arena.alloc(9),
        other.alloc(5),
        arena.zeros((3, 400)).T,
    ]


def steps(effort, opcodes):
    """The steps at which to raise, without an end."""
    stride = effort.pick(61 if opcodes else 7, 1)
    at = effort.seed % stride
    while True:
        yield at
        at += stride


@pytest.fixture(params=["short", "outside"])
def long(request):
    """Adds so much text that the message lies in the arena, or adds none."""
    return "x" * (5000 if request.param == "outside" else 0)


def test_an_exception_in_dumps_leaves_nothing(arena, other, engine, effort, opcodes):
    thing = thing_of(arena, other)
    before = account(arena), account(other)
    for at in steps(effort, opcodes):
        if not strike(lambda: arena.dumps(thing), at, engine, opcodes):
            break
        assert (account(arena), account(other)) == before, at


def test_an_exception_in_loads_leaves_all_or_nothing(arena, other, engine, effort, opcodes):
    nothing = account(arena), account(other)
    for at in steps(effort, opcodes):
        data = arena.dumps(thing_of(arena, other))
        if not strike(lambda data=data: arena.loads(data), at, engine, opcodes):
            break
        gc.collect()
        if arena.stats().tickets:
            # Nothing was claimed yet.
            arena.loads(data)
        assert (account(arena), account(other)) == nothing, at
        with pytest.raises(StaleHandle):
            arena.loads(data)


def test_an_exception_in_put_leaves_nothing(arena, other, engine, effort, opcodes, long):
    queue = arena.queue()
    nothing = account(arena), account(other)
    for at in steps(effort, opcodes):
        reached = strike(lambda: queue.put([thing_of(arena, other), long]), at, engine, opcodes)
        if not queue.empty():
            queue.get()
        assert (account(arena), account(other)) == nothing, at
        if not reached:
            break


def test_an_exception_in_put_of_a_full_queue_leaves_nothing(arena, engine, effort, opcodes):
    queue = arena.queue()
    with suppress(Full):
        while True:
            queue.put_nowait(None)
    thing = arena.zeros(600)
    before = account(arena)

    def put():
        with pytest.raises(Full):
            queue.put(thing, timeout=0)

    for at in steps(effort, opcodes):
        reached = strike(put, at, engine, opcodes)
        assert account(arena) == before, at
        if not reached:
            break


def test_an_exception_in_get_leaves_all_or_nothing(arena, other, engine, effort, opcodes, long):
    queue = arena.queue()
    nothing = account(arena), account(other)
    for at in steps(effort, opcodes):
        queue.put([thing_of(arena, other), long])
        reached = strike(queue.get, at, engine, opcodes)
        if not queue.empty():
            queue.get()
        assert (account(arena), account(other)) == nothing, at
        if not reached:
            break


@pytest.fixture
def pool(arena):
    with pagebuddy.ArenaExecutor(1, multiprocessing.get_context("fork"), arena=arena) as pool:
        # The worker is forked now: a fork later would hold what this process holds then.
        pool.submit(len, "").result()
        yield pool


def test_an_exception_in_submit_leaves_nothing(arena, pool, engine, effort, opcodes):
    array = arena.zeros(3000)
    before = account(arena)
    for at in steps(effort, opcodes):
        reached = strike(lambda: pool.submit(np.copy, array), at, engine, opcodes)
        # Calls are answered in order.
        pool.submit(len, "").result()
        assert account(arena) == before, at
        if not reached:
            break
