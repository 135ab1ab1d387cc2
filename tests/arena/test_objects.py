"""Objects that an arena keeps by key."""

from __future__ import annotations

import gc
import weakref
from collections.abc import MutableMapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import pagebuddy
from pagebuddy.sharing.joining.keeping import forget, keep_under
from pagebuddy.sharing.words import FOR_BUFFERS, FOR_QUEUES, FOR_TOPICS

THINGS = {
    "none": None,
    "text": "text",
    "number": 5,
    "long bytes": b"x" * 10_000,
    "view": memoryview(b"hello"),
    "view of numbers": memoryview(np.arange(6.0).reshape(2, 3)),
    "array": np.arange(1000),
    "scalar array": np.array(5.5),
    "empty array": np.empty((0, 3)),
    "Fortran order": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "slice": np.arange(100)[::-7],
    "broadcast": np.broadcast_to(np.arange(3), (4, 3)),
    "dates": np.arange(5).astype("M8[s]"),
    "records": np.array([(1, 2.0), (3, 4.0)], [("a", "i4"), ("b", "f8")]),
    "objects": np.array([1, "a", None], object),
    "matrix": np.ma.masked_equal([1, 2, 3], 2),
    "nested": {"a": [np.arange(10), {"b": np.ones((2, 3), "f4")}], "c": (1, "d")},
}


def is_same(first, second):
    if isinstance(first, np.ndarray):
        return (
            type(first) is type(second)
            and first.dtype == second.dtype
            and first.shape == second.shape
            and first.tolist() == second.tolist()
        )
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(is_same(first[k], second[k]) for k in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(is_same, first, second))
    return first == second


def pages(arena):
    gc.collect()
    return arena.stats().used


@pytest.mark.parametrize("what", THINGS)
def test_an_object_is_read_as_it_was_set(arena, what):
    arena.objects[what] = THINGS[what]
    assert is_same(arena.objects[what], THINGS[what])
    assert is_same(arena.objects.get(what, writable=True), THINGS[what])
    arena.verify()
    del arena.objects[what]
    assert pages(arena) == 0


def test_data_frames_of_mixed_types_are_views(arena):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "number": range(50),
            "ratio": np.linspace(0, 1, 50),
            "text": [f"row {i}" for i in range(50)],
            "when": pd.date_range("2020", periods=50, tz="UTC"),
            "kind": pd.Categorical(["a", "b"] * 25),
            "thing": [{"a": i} for i in range(50)],
            "maybe": pd.array([1, None] * 25, "Int64"),
        }
    )
    arena.objects["frame"] = frame
    first, second = arena.objects["frame"], arena.objects["frame"]
    pd.testing.assert_frame_equal(first, frame)
    assert np.shares_memory(first.ratio.to_numpy(), second.ratio.to_numpy())
    assert not first.ratio.to_numpy().flags.writeable
    pd.testing.assert_frame_equal(first.sort_values("ratio", ascending=False), frame[::-1])


def test_arrow_tables_are_views(arena):
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"number": range(1000), "text": [f"row {i}" for i in range(1000)]})
    arena.objects["table"] = table
    found = arena.objects["table"]
    assert found.equals(table)
    base, n_bytes = arena._attachment.extent
    address = found["number"].chunk(0).buffers()[1].address
    assert base <= address < base + n_bytes


def test_what_is_read_is_read_only_unless_asked_for(arena):
    stored = np.arange(5.0)
    stored.flags.writeable = False
    arena.objects["it"] = {"array": stored, "view": memoryview(b"hello"), "more": np.arange(3)}
    found = arena.objects["it"]
    assert found["view"].readonly
    for array in (found["array"], found["more"]):
        assert not array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7
    changed = arena.objects.get("it", writable=True)
    changed["array"][:] = 7
    changed["view"][0] = ord("j")
    # The bytes are the same.
    assert found["array"].tolist() == [7.0] * 5
    assert bytes(arena.objects["it"]["view"]) == b"jello"


class Thing:
    """Something that a weak reference can refer to."""


def test_keeping_an_object_does_not_keep_the_original(arena):
    thing = Thing()
    thing.array = np.arange(1000)
    is_alive = weakref.ref(thing)
    gc.disable()
    try:
        arena.objects["it"] = [thing]
        del thing
        assert is_alive() is None
    finally:
        gc.enable()


def test_arrays_start_at_cache_lines(arena):
    arena.objects["it"] = [np.arange(n, dtype="u1") for n in range(1, 200, 13)]
    # Memory of the caller may start anywhere.
    start, _ = arena._attachment.extent
    for array in arena.objects["it"]:
        assert (array.__array_interface__["data"][0] - start) % 64 == 0


def test_an_object_stays_valid_whatever_happens_to_its_key(arena):
    objects = arena.objects
    objects["it"] = np.full(1000, 1)
    first = objects["it"]
    objects["it"] = np.full(1000, 2)
    second = objects["it"]
    del objects["it"]
    arena.empty(500).fill(9)
    assert (set(first.tolist()), set(second.tolist())) == ({1}, {2})
    assert pages(arena) == 4
    part = first[5:7]
    del first, second
    assert pages(arena) == 2
    assert part.tolist() == [1, 1]
    del part
    assert pages(arena) == 0


def test_replacing_frees_the_old_object(arena):
    for number in range(20):
        arena.objects["it"] = np.full(10_000, number)
    assert set(arena.objects["it"].tolist()) == {19}
    assert arena.stats().n_spans == 1


def test_nothing_is_held_if_an_object_has_no_buffers(arena):
    arena.objects["it"] = ["text", 5, b"bytes" * 1000]
    found = arena.objects["it"]
    assert [row.holders for row in arena.buffers()] == [()]
    arena.objects["it"] = np.arange(5)
    found = arena.objects["it"]
    assert [len(row.holders) for row in arena.buffers()] == [1]
    del found
    assert [row.holders for row in arena.buffers()] == [()]


def test_it_is_a_mutable_mapping(arena):
    objects = arena.objects
    assert isinstance(objects, MutableMapping)
    assert len(objects) == 0
    objects.update({"b": 2, "a": 1}, c=3)
    assert (list(objects), len(objects)) == (["a", "b", "c"], 3)
    assert list(objects.keys()) == ["a", "b", "c"]
    assert list(objects.values()) == [1, 2, 3]
    assert list(objects.items()) == [("a", 1), ("b", 2), ("c", 3)]
    assert ("a", 1) in objects.items()
    assert 3 in objects.values()
    assert 4 not in objects.values()
    assert objects == {"a": 1, "b": 2, "c": 3}
    assert objects == arena.objects
    assert objects != {"a": 1}
    assert objects.setdefault("a", 9) == 1
    assert objects.setdefault("d", 9) == objects["d"] == 9
    assert (objects.pop("d"), objects.pop("d", None)) == (9, None)
    assert objects.popitem() == ("a", 1)
    assert (objects.get("a"), objects.get("a", 5), objects.get("b", 5)) == (None, 5, 2)
    assert "a" not in objects
    assert "b" in objects
    with pytest.raises(KeyError, match="'a'"):
        objects["a"]
    with pytest.raises(KeyError, match="'a'"):
        del objects["a"]
    with pytest.raises(KeyError, match="'a'"):
        objects.pop("a")
    objects.clear()
    with pytest.raises(KeyError, match="keeps no objects"):
        objects.popitem()
    with pytest.raises(TypeError, match="unhashable"):
        hash(objects)
    assert arena.stats().used == 0
    arena.verify()


def test_items_leaves_out_what_is_deleted_meanwhile(arena):
    objects = arena.objects
    objects.update(a=1, b=2, c=3)
    found = []
    for key, thing in objects.items():
        found.append((key, thing))
        objects.pop("b", None)
        objects["d"] = 4
    assert found == [("a", 1), ("c", 3)]
    for key in objects:
        del objects[key]
    assert list(objects.values()) == []


def test_the_same_key_may_be_used_in_each_namespace(arena):
    a = arena._attachment
    arena.alloc(5, keep="it").release()
    arena.objects["it"] = np.arange(3)
    for namespace in (FOR_QUEUES, FOR_TOPICS):
        assert not a.has_key("it", namespace)
        assert keep_under(a, "it", namespace, arena.alloc(100 + namespace), False)
    sizes = [a.found("it", each).nbytes for each in (FOR_BUFFERS, FOR_QUEUES, FOR_TOPICS)]
    assert sizes == [5, 102, 103]
    assert arena.keys() == list(arena.objects) == list(arena) == ["it"]
    assert "it" in arena
    kinds = ["buffer", "object", "queue", "topic"]
    assert sorted(row.kind for row in arena.buffers()) == kinds
    arena.recover()
    arena.verify()
    del arena.objects["it"]
    assert "it" not in arena.objects
    assert arena["it"].nbytes == 5
    arena["it"].unkeep()
    assert "it" not in arena
    assert sorted(row.kind for row in arena.buffers()) == kinds[2:]
    assert not keep_under(a, "it", FOR_QUEUES, arena.alloc(1), False)
    for namespace in (FOR_QUEUES, FOR_TOPICS):
        assert forget(a, "it", namespace)
        assert not forget(a, "it", namespace)
    arena.verify()
    assert arena.stats().used == 0


def test_many_objects_with_long_keys_are_found(arena):
    keys = [f"{number:047}" for number in range(12)]
    for number, key in enumerate(keys):
        arena.objects[key] = number
    assert list(arena.objects.items()) == list(zip(keys, range(12), strict=True))
    assert keys[3] not in arena
    assert keys[3][:-1] not in arena.objects
    arena.verify()


def test_of_many_threads_that_pop_one_gets_each_object(Arena, effort):
    arena = Arena("1 MiB")
    n = 40
    with ThreadPoolExecutor(4) as threads:
        for round_ in range(effort.pick(3, 50)):
            for number in range(n):
                arena.objects[f"{number}"] = round_ * n + number
            popped = list(threads.map(lambda _: arena.objects.popitem()[1], range(n)))
            assert sorted(popped) == list(range(round_ * n, (round_ + 1) * n))
    assert arena.stats().used == 0


def test_objects_in_a_file_are_found_again(Arena, path):
    with Arena.file(path, "1 MiB") as arena:
        arena.objects["it"] = np.arange(5)
    with Arena.file(path) as arena:
        assert arena.objects["it"].tolist() == [0, 1, 2, 3, 4]


READER = """
arena = Arena.attach(sys.argv[1])
seen = set()
say("ready")
while (thing := arena.objects.pop("end", None)) is None:
    number, array, more = arena.objects["it"]
    assert (array == number).all() and (more == number).all(), (number, array, more)
    assert not array.flags.writeable
    if len(seen) < 2 and number not in seen:
        seen.add(number)
        arena.objects["seen"] = len(seen)
say("over")
"""


def test_a_reader_sees_the_old_or_the_new_object(Arena, name, start, effort):
    arena = Arena.create(name, "16 MiB")

    def set_it(number):
        arena.objects["it"] = number, np.full(20_000, number), np.full((3, 5), number)

    set_it(0)
    reader = start(READER, name)
    assert reader.hear() == "ready"
    number = 0
    # Under load the other process can stand still for long: go on until it has seen a change.
    while number < effort.pick(200, 3000) or arena.objects.get("seen", 0) < 2:
        assert reader.process.poll() is None
        number += 1
        set_it(number)
    arena.objects["end"] = True
    assert reader.hear() == "over"
    assert reader.end() == 0
    arena.verify()
    arena.unlink()


HOLDER = """
arena = Arena.attach(sys.argv[1])
found = arena.objects["it"]
say("read")
hear()
assert found.tolist() == list(range(1000))
say("held")
hear()
"""


def test_another_process_keeps_what_it_read(Arena, name, start):
    arena = Arena.create(name, "1 MiB")
    arena.objects["it"] = np.arange(1000)
    holder = start(HOLDER, name)
    assert holder.hear() == "read"
    arena.objects["it"] = 5
    del arena.objects["it"]
    arena.empty(1000).fill(9)
    holder.say()
    assert holder.hear() == "held"
    assert arena.stats().used == 2
    holder.kill()
    arena.reap()
    assert arena.stats().used == 0
    arena.unlink()


@pytest.mark.one_engine
def test_an_arena_in_an_object_is_the_readers(name):
    arena = pagebuddy.Arena.create(name, "1 MiB")
    arena.objects["it"] = {"arena": arena, "objects": arena.objects}
    found = arena.objects["it"]
    assert found["arena"].size == 1 << 20
    assert list(found["objects"]) == ["it"]
    arena.unlink()
