"""An exception at any step of put and get: the message is in the queue or not, and nothing else stays.

A trace function raises at the k-th step within the package, as in `tests/exchange/test_interrupted.py`.
Real signals come at any time.
"""

from __future__ import annotations

import gc
import signal
from queue import Empty, Full

import numpy as np
import pytest

from pagebuddy import StaleHandle
from tests.exchange.strikes import PACKAGE, Struck, account, steps, strike

# Uncompiled, the other files are the engine.
FILES = [f"{PACKAGE}/messages/{name}.py" for name in ("queue", "parcel", "opening", "deadline")]


@pytest.fixture
def other(Arena):
    return Arena("1 MiB")


@pytest.fixture(params=["line", "opcode"])
def opcodes(request):
    return request.param == "opcode"


@pytest.fixture(params=["plain", "items", "pickle", "outside"])
def thing_of(request):
    """A function: an object without buffers, with arrays and a Buffer, or with one of another arena."""

    def make(arena, other):
        if request.param == "plain":
            return ["x" * 100, 5]
        thing = [arena.zeros(3000), np.ones(700), arena.alloc(9), arena.zeros((3, 400)).T]
        if request.param == "pickle":
            thing += [other.alloc(5), {5}]
        return [*thing, "x" * 5000] if request.param == "outside" else thing

    return make


def test_an_exception_in_put_leaves_all_or_nothing(arena, other, engine, effort, opcodes, thing_of):
    queue = arena.queue()
    nothing = account(arena), account(other)
    for at in steps(effort, opcodes):
        reached = strike(lambda: queue.put(thing_of(arena, other)), at, engine, opcodes, FILES)
        assert queue.qsize() <= 1
        if not queue.empty():
            assert len(queue.get()) == len(thing_of(arena, other))
        assert (account(arena), account(other)) == nothing, at
        if not reached:
            break


@pytest.mark.parametrize("how", [{"block": False}, {"timeout": 0.001}], ids=["now", "later"])
def test_an_exception_in_put_of_a_full_queue_leaves_nothing(arena, engine, effort, opcodes, how):
    queue = arena.queue(maxsize=1)
    queue.put(1)
    thing = arena.zeros(600)
    before = account(arena)

    def put():
        with pytest.raises(Full):
            queue.put(thing, **how)

    for at in steps(effort, opcodes):
        reached = strike(put, at, engine, opcodes, FILES)
        assert account(arena) == before, at
        assert queue.qsize() == 1
        if not reached:
            break


@pytest.mark.parametrize("many", [False, True], ids=["get", "get_many"])
def test_an_exception_in_get_leaves_all_messages(
    arena, other, engine, effort, opcodes, thing_of, many
):
    queue = arena.queue()
    nothing = account(arena), account(other)
    n = 3 if many else 1
    for at in steps(effort, opcodes):
        things = [thing_of(arena, other) for _ in range(n)]
        queue.put_many(things)
        got = []

        def get(got=got):
            got += queue.get_many(n) if many else [queue.get()]

        reached = strike(get, at, engine, opcodes, FILES)
        assert len(got) + queue.qsize() == n
        if reached and queue.qsize():
            for _ in range(n):
                try:
                    got.append(queue.get_nowait())
                except StaleHandle:
                    # The handle of a Buffer in another arena can be claimed once.
                    assert any(isinstance(part, set) for part in things[0])
                    got.append(things[0])
        assert [len(each) for each in got] == [len(things[0])] * n
        del things, got, get
        assert (account(arena), account(other)) == nothing, at
        if not reached:
            break


@pytest.mark.parametrize("how", [{"block": False}, {"timeout": 0.001}], ids=["now", "later"])
def test_an_exception_in_get_of_an_empty_queue_leaves_nothing(arena, engine, effort, opcodes, how):
    queue = arena.queue()
    before = account(arena)

    def get():
        with pytest.raises(Empty):
            queue.get(**how)

    for at in steps(effort, opcodes):
        reached = strike(get, at, engine, opcodes, FILES)
        assert account(arena) == before, at
        if not reached:
            break
    queue.put(1)
    assert queue.get() == 1


class Interrupts:
    """Raises `Struck` at signals that come all the time, while it is armed.

    Callbacks of the garbage collector are put aside meanwhile. Hypothesis has one, and what is raised
    in it reaches nobody: pytest keeps it for a warning, and with it the frames and their arrays.
    """

    def __init__(self):
        self.armed = False
        self.n_raised = 0

    def __call__(self, *_):
        if self.armed:
            self.armed = False
            self.n_raised += 1
            raise Struck

    def __enter__(self):
        self.callbacks = gc.callbacks[:]
        gc.callbacks.clear()
        self.before = signal.signal(signal.SIGALRM, self)
        signal.setitimer(signal.ITIMER_REAL, 5e-5, 5e-5)
        return self

    def __exit__(self, *_):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)
        gc.callbacks[:] = self.callbacks


@pytest.mark.parametrize("kind", ["short", "array"])
def test_signals_at_any_time_lose_no_message_and_repeat_none(arena, engine, effort, kind):
    if engine == "uncompiled":
        pytest.skip(
            "uncompiled, a signal between two steps of the engine costs what it has in hand"
        )
    queue = arena.queue(maxsize=5)
    before = account(arena)
    array = arena.zeros(10)
    sent, got = [], []
    number = 0
    with Interrupts() as interrupts:
        while interrupts.n_raised < effort.pick(300, 10_000):
            number += 1
            thing = number if kind == "short" else (number, array)
            done = False
            try:
                interrupts.armed = True
                queue.put(thing)
                done = True
                interrupts.armed = False
            except Struck:
                pass
            sent.append((number, done))
            while queue.qsize():
                found = None
                try:
                    interrupts.armed = True
                    found = queue.get_nowait()
                    interrupts.armed = False
                except (Struck, Empty):
                    interrupts.armed = False
                if found is not None:
                    got.append(found if kind == "short" else found[0])
    assert got == sorted(set(got))
    assert {number for number, done in sent if done} <= set(got)
    found = thing = array = None
    gc.collect()
    assert account(arena) == before
