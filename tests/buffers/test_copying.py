"""Whatever can be reached from an array, a view or an arena: a copy or a pickle of it frees nothing."""

import copy
import ctypes
import gc
import os
import pickle
import types
from contextlib import suppress

import pytest

from pagebuddy.memory.named import path_of

np = pytest.importorskip("numpy")

N = 25 * 4096


def copy_all_ways(thing):
    """Return what `copy` and `pickle` make of a thing; a refusal is a TypeError or a PicklingError."""
    made = []
    ways = [copy.copy, copy.deepcopy]
    ways += [lambda thing, p=p: pickle.loads(pickle.dumps(thing, p)) for p in range(6)]
    for way in ways:
        # The last is what pickle raises for a function inside a function.
        with suppress(TypeError, pickle.PicklingError, AttributeError):
            made.append(way(thing))
    return made


def test_the_owner_of_an_arrays_bytes_is_not_copied(arena):
    array = arena.full(N, 7, dtype="u1")
    used = arena.stats().used
    for owner in (array.base, memoryview(array).obj.base, arena.buffer_of(array).view.obj):
        copies = copy_all_ways(owner)
        for made in copies:
            # Uncompiled it is a ctypes array, of which a copy is plain memory.
            with pytest.raises(ValueError, match="not in this arena"):
                arena.buffer_of(made)
        del copies
        gc.collect()
        assert arena.stats().used == used
    assert bytes(array) == b"\7" * N


@pytest.mark.parametrize("kind", ["attachment", "request", "source"])
def test_what_is_inside_an_arena_is_not_copied(arena, kind):
    buffer = arena.alloc(N)
    buffer.view[:] = b"\7" * N
    attachment = arena._attachment
    thing = {
        "attachment": attachment,
        "request": attachment.request(rows=3),
        "source": arena._source,
    }[kind]
    for way in (copy.copy, copy.deepcopy, pickle.dumps, lambda thing: pickle.dumps(thing, 0)):
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            way(thing)
    gc.collect()
    assert arena.stats().used == N // 4096
    assert bytes(buffer.view) == b"\7" * N
    arena.alloc(5)


def test_no_class_of_the_extension_is_pickled_by_itself(engine):
    if engine == "uncompiled":
        pytest.skip("Cython makes no pickles there")
    import pagebuddy._compiled as compiled

    for kind in vars(compiled).values():
        if isinstance(kind, type):
            assert not hasattr(kind, "__reduce_cython__"), kind
            assert not hasattr(kind, "__setstate_cython__"), kind


def test_arrays_and_views_are_copied_as_elsewhere(arena):
    array = arena.full(N, 7, dtype="u1")
    for made in copy_all_ways(array):
        assert bytes(made) == b"\7" * N
        made[:] = 8
    assert copy_all_ways(memoryview(array)) == []
    assert bytes(array) == b"\7" * N
    assert arena.stats().used == N // 4096


def reachable(*roots):
    """Everything of ours that can be reached from these, once each: objects that are not just data."""
    found, waiting = {}, list(roots)
    while waiting:
        thing = waiting.pop()
        if id(thing) in found or isinstance(thing, (type, str, bytes, int, float)):
            continue
        module = type(thing).__module__
        parts = [getattr(thing, "base", None), getattr(thing, "obj", None)]
        parts += vars(thing).values() if hasattr(thing, "__dict__") else ()
        if isinstance(thing, (tuple, list, dict)):
            parts += thing.values() if isinstance(thing, dict) else thing
        elif not module.startswith(("pagebuddy", "tests.conftest", "numpy")) and not isinstance(
            thing, (memoryview, ctypes.Array)
        ):
            continue
        if isinstance(thing, types.ModuleType):
            continue
        found[id(thing)] = thing
        parts += [getattr(thing, name, None) for name in ("layout", "medium", "memory")]
        waiting += [part for part in parts if part is not None]
    return list(found.values())


def test_no_copy_of_anything_that_can_be_reached_frees_or_closes_anything(Arena, name):
    arena = Arena.create(name, "1 MiB")
    array = arena.full(N, 7, dtype="u1")
    buffer = arena.alloc(5000)
    buffer.view[:] = b"\5" * 5000
    before = arena.stats()
    things = reachable(array, memoryview(array), buffer, buffer.view, arena, arena._attachment)
    assert {type(thing).__name__ for thing in things} >= {"Attachment", "Layout", "memoryview"}
    for thing in things:
        made = copy_all_ways(thing)
        del thing, made
        gc.collect()
        after = arena.stats()
        assert (after.used, after.n_spans) == (before.used, before.n_spans)
        assert os.fstat(arena.fileno()).st_ino == os.stat(path_of(name)).st_ino
    del things
    assert bytes(array) == b"\7" * N
    assert bytes(buffer.view) == b"\5" * 5000
    arena.verify()
    del array, buffer
    gc.collect()
    assert arena.stats().used == 0
