"""An exception at any step of dumps and loads leaves no ticket, hold or page (S11).

A trace function raises at the k-th step within the package: at every line and bytecode in a soak, and
every day at every seventh line, from a random one on.
"""

from __future__ import annotations

import dis
import gc
from functools import partial

import numpy as np
import pytest

from pagebuddy import StaleHandle
from pagebuddy.exchange.delivery import unpack
from pagebuddy.exchange.dumping import pack
from tests.exchange.strikes import account, is_end_of_with, left_out, steps, strike


@pytest.fixture
def arena(Arena):
    return Arena("4 MiB")


@pytest.fixture
def other(Arena):
    return Arena("1 MiB")


@pytest.fixture(params=["line", "opcode"])
def opcodes(request):
    return request.param == "opcode"


@pytest.fixture(params=["items", "pickle"])
def thing_of(request):
    """A function: an object with arrays of the arena and not, and a Buffer.

    If it needs a pickler, also a Buffer of another arena.
    """

    def make(arena, other):
        thing = [arena.zeros(3000), np.ones(700), arena.alloc(9), arena.zeros((3, 400)).T]
        return [*thing, other.alloc(5), {5}] if request.param == "pickle" else thing

    return make


def test_an_exception_in_dumps_leaves_nothing(arena, other, engine, effort, opcodes, thing_of):
    thing = thing_of(arena, other)
    before = account(arena), account(other)
    for at in steps(effort, opcodes):
        if not strike(lambda: arena.dumps(thing), at, engine, opcodes):
            break
        assert (account(arena), account(other)) == before, at


def test_an_exception_in_loads_leaves_all_or_nothing(
    arena, other, engine, effort, opcodes, thing_of
):
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


def test_an_exception_in_pack_leaves_nothing(arena, other, engine, effort, opcodes, thing_of):
    thing = thing_of(arena, other)
    before = account(arena), account(other)
    for at in steps(effort, opcodes):
        if not strike(lambda: pack(arena, thing), at, engine, opcodes):
            break
        assert (account(arena), account(other)) == before, at


def test_an_exception_in_unpack_leaves_nothing(arena, other, engine, effort, opcodes, thing_of):
    nothing = account(arena), account(other)
    for at in steps(effort, opcodes):
        body = pack(arena, thing_of(arena, other))
        data, pages = body.data, list(body.pages)
        call = partial(unpack, arena._open, data, pages)
        body.handed()
        del body
        if not strike(call, at, engine, opcodes):
            break
        if pages:
            # It was not called yet, and the caller has all.
            call()
        del call
        assert (account(arena), account(other)) == nothing, at


def with_a_lock(lock):
    with lock:
        return len("")


def test_the_end_of_a_with_block_is_known_in_this_version_of_python():
    """Otherwise an exception is raised before a lock is unlocked, and a test waits for ever."""
    found = list(dis.get_instructions(with_a_lock))
    ends = [i for i in range(len(found)) if is_end_of_with(found[i : i + 5])]
    assert len(ends) == 1
    assert found[ends[0]].offset in left_out(with_a_lock.__code__)
