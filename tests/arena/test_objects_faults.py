"""What can go wrong with the objects of an arena: each error leaves nothing behind."""

from __future__ import annotations

import gc
import pickle
import sys

import numpy as np
import pytest

from pagebuddy import ArenaClosed, OutOfKeys, OutOfPages
from tests.arena.test_objects import is_same, pages
from tests.exchange.strikes import account, steps, strike

OTHER_KINDS = ("anonymous", "named", "given")


# Every day one kind, whose objects are flushed as well. Those of `test_objects` are of each kind.
@pytest.fixture(
    params=["file", *(pytest.param(kind, marks=pytest.mark.soak) for kind in OTHER_KINDS)]
)
def arena(request, make):
    """An arena of a MiB."""
    return make[request.param]("1 MiB")


class Unpicklable:
    def __reduce__(self):
        raise RuntimeError("cannot be pickled")


class Poisonous:
    """Raises when it is unpickled, after an array was."""

    def __init__(self, error=None):
        self.error = RuntimeError("cannot be unpickled") if error is None else error

    def __reduce__(self):
        return refuse_after, (np.arange(1000), self.error)


def refuse_after(array, error):
    del array
    raise error


class Meddler:
    """Does something when it is pickled."""

    def __init__(self, act):
        self.act = act

    def __reduce__(self):
        self.act()
        return str, ("done",)


@pytest.mark.parametrize("what", ["x" * 48, "", "ä", "a\0b", 5, None, b"it"])
def test_what_cannot_be_a_key_is_refused(arena, what):
    objects = arena.objects
    error = ValueError if isinstance(what, str) else TypeError
    for call in (
        lambda: objects[what],
        lambda: objects.get(what),
        lambda: objects.__setitem__(what, 1),
        lambda: objects.__delitem__(what),
        lambda: objects.pop(what, None),
        lambda: objects.setdefault(what, 1),
    ):
        with pytest.raises(error, match="key is"):
            call()
    assert what not in objects
    assert arena.stats().used == 0


def test_an_object_larger_than_the_arena_leaves_the_old_one(arena):
    arena.objects["it"] = 5
    before = account(arena)
    for thing in (np.zeros(1 << 18), b"x" * (1 << 21)):
        with pytest.raises(OutOfPages) as caught:
            arena.objects["it"] = thing
        assert caught.value.requested > caught.value.free
        assert account(arena) == before
    assert arena.objects["it"] == 5


def test_with_all_keys_used_an_object_can_be_replaced(Arena):
    arena = Arena("1 MiB", keys=2)
    arena.objects.update(a=1, b=2)
    with pytest.raises(OutOfKeys):
        arena.objects["c"] = 3
    arena.objects["a"] = np.arange(5)
    assert arena.objects["a"].sum() == 10
    assert arena.stats().used == 2


@pytest.mark.parametrize("thing", [Unpicklable(), lambda: None, sys.stdout], ids=type)
def test_what_cannot_be_pickled_leaves_nothing(arena, thing):
    with pytest.raises((RuntimeError, TypeError, pickle.PicklingError, AttributeError)):
        arena.objects["it"] = [arena.zeros(10), thing]
    assert "it" not in arena.objects
    assert pages(arena) == 0


def test_a_buffer_in_an_object_is_refused(arena):
    with pytest.raises(TypeError, match=r"keep buffer\.view"):
        arena.objects["it"] = {"buffer": arena.alloc(5)}
    assert pages(arena) == 0
    assert arena.stats().tickets == 0
    arena.objects["it"] = arena.alloc(5, zero=True).view
    assert bytes(arena.objects["it"]) == bytes(5)


@pytest.mark.parametrize(
    "error", [RuntimeError("no"), KeyError("it"), KeyboardInterrupt()], ids=repr
)
def test_what_cannot_be_unpickled_stays_and_is_not_held(arena, error):
    objects = arena.objects
    objects["it"] = Poisonous(error)
    before = account(arena)
    for read in (
        lambda: objects["it"],
        lambda: objects.get("it", 5),
        lambda: objects.pop("it", 5),
        lambda: objects.popitem(),
        lambda: objects.setdefault("it", 5),
        lambda: list(objects.items()),
    ):
        with pytest.raises(type(error)) as caught:
            read()
        # Also while the error lives.
        assert [row.holders for row in arena.buffers()] == [()]
        del caught
        assert account(arena) == before
    objects["it"] = 5
    assert objects["it"] == 5


def test_a_closed_arena_refuses_its_objects(arena):
    objects = arena.objects
    objects["it"] = np.arange(5)
    found = objects["it"]
    arena.close()
    for call in (
        lambda: arena.objects,
        lambda: objects["it"],
        lambda: objects.__setitem__("it", 1),
        lambda: objects.__delitem__("it"),
        lambda: objects.pop("it", None),
        lambda: "it" in objects,
        lambda: len(objects),
        lambda: list(objects),
    ):
        with pytest.raises(ArenaClosed):
            call()
    assert found.tolist() == [0, 1, 2, 3, 4]


def test_pickling_may_use_the_same_mapping(arena):
    objects = arena.objects

    def meddle():
        objects["it"] = "inner"
        objects["other"] = np.arange(3)

    objects["it"] = [Meddler(meddle), np.arange(4)]
    assert objects["it"][0] == "done"
    assert objects["other"].tolist() == [0, 1, 2]
    arena.verify()


def test_setdefault_gets_what_another_has_set_meanwhile(arena):
    objects = arena.objects
    late = Meddler(lambda: objects.__setitem__("it", "quicker"))
    assert objects.setdefault("it", late) == "quicker"
    assert arena.stats().used == 1


def test_pop_returns_an_object_that_was_replaced_meanwhile_to_nobody(arena):
    objects = arena.objects
    arena.objects["it"] = Replaced(arena.objects)
    REPLACED.append(lambda: objects.__setitem__("it", "newer"))
    assert objects.pop("it") == "newer"
    assert "it" not in objects
    assert pages(arena) == 0


REPLACED = []


class Replaced:
    """Is replaced when it is unpickled."""

    def __init__(self, objects):
        self.objects = objects

    def __reduce__(self):
        return replaced, ()


def replaced():
    REPLACED.pop()()
    return "older"


@pytest.mark.parametrize("at", range(0, 60, 3))
def test_changed_bytes_are_noticed(arena, at):
    arena.objects["it"] = {"a": np.arange(5)}
    (row,) = arena.buffers()
    buffer = arena.buffer_at(row.offset)
    buffer.view[at] ^= 4
    with pytest.raises(ValueError, match=r"object"):
        arena.objects["it"]
    buffer.view[at] ^= 4
    assert arena.objects["it"]["a"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("opcodes", [False, True], ids=["line", "opcode"])
@pytest.mark.parametrize("call", ["set", "replace", "get", "pop", "delete", "setdefault"])
def test_an_exception_at_any_step_leaves_nothing(Arena, engine, effort, call, opcodes):
    arena = Arena("1 MiB")
    objects = arena.objects
    thing = [np.arange(500), np.zeros((5, 9)).T[::2], "text"]
    calls = {
        "set": lambda: objects.__setitem__("it", thing),
        "replace": lambda: objects.__setitem__("it", thing),
        "get": lambda: objects["it"],
        "pop": lambda: objects.pop("it"),
        "delete": lambda: objects.__delitem__("it"),
        "setdefault": lambda: objects.setdefault("it", thing),
    }
    nothing = account(arena)
    for at in steps(effort, opcodes):
        if call not in ("set", "setdefault"):
            objects["it"] = thing
            assert account(arena) != nothing
        reached = strike(calls[call], at, engine, opcodes)
        gc.collect()
        if "it" in objects:
            assert is_same(objects["it"], thing)
        arena.verify()
        objects.clear()
        assert account(arena) == nothing, at
        if not reached:
            break
