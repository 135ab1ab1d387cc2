"""Actors on one host pass arrays through the arena of the host."""

from __future__ import annotations

import gc

import pytest

np = pytest.importorskip("numpy")
ray = pytest.importorskip("ray")

import pagebuddy.adapters.ray as adapter  # noqa: E402
from tests.adapters.ray.actors import Receiver, Sender, facts  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")

N = 1_000_000


def test_an_array_in_the_arena_is_received_where_it_lies(sender, receiver):
    ref = sender.inside.remote(N, 3)
    sent, got = ray.get([sender.taken.remote(ref), receiver.taken.remote(ref)])
    assert got["sum"] == 3 * N
    assert got["offset"] == sent["offset"] is not None
    assert ray.get(receiver.report.remote())[0] == {}


def test_any_other_array_is_copied_into_the_arena_once(arena, sender, receiver):
    ref = sender.full.remote(N, 3)
    first, second = ray.get([receiver.taken.remote(ref), Receiver.remote().taken.remote(ref)])
    assert first == second
    assert first["offset"] is not None
    assert facts(ray.get(ref)) == first
    assert arena.stats().used_bytes < N + 3 * 4096


def test_receivers_get_arrays_that_they_cannot_store_to(sender, receiver):
    assert not ray.get(receiver.taken.remote(sender.inside.remote(N, 3)))["writeable"]
    assert not ray.get(receiver.taken.remote(sender.full.remote(3, 3)))["writeable"]
    # The actor itself has its own array.
    assert ray.get(sender.taken.remote(sender.inside.remote(N, 3)))["writeable"]


def test_with_readonly_false_the_others_see_what_one_stores(register):
    register(readonly=False)
    sender, receiver = Sender.remote(), Receiver.remote()
    ref = sender.inside.remote(N, 3)
    ray.get(receiver.store.remote(ref, 77))
    assert ray.get(sender.own.remote()) == 77
    assert ray.get(ref)[0] == 77
    assert ray.get(ref).flags.writeable


THINGS = [
    np.arange(100_000.0).reshape(100, 1000),
    np.asfortranarray(np.arange(100_000).reshape(100, 1000)),
    np.arange(100_000)[::-3],
    np.arange(10, dtype="u1"),
    np.array(5.0),
    np.zeros((0, 3)),
    np.zeros(50_000, [("a", "i4"), ("b", "f8")]),
    np.arange(20_000).astype("M8[s]"),
    np.arange(50_000) % 3 == 0,
    {"a": np.arange(50_000), "b": [np.arange(3), "text", None, (1, np.ones(20_000))]},
    [np.full(i, i) for i in range(300)],
    ["no array"],
]


@pytest.mark.filterwarnings("ignore")
def test_arrays_of_any_kind_in_any_object_arrive_as_they_are(sender):
    refs = [sender.given.remote(thing) for thing in THINGS]
    for thing, got in zip(THINGS, ray.get(refs), strict=True):
        np.testing.assert_equal(got, thing)
        assert type(got) is type(thing)
    assert adapter.fallbacks.counts == {}


def test_views_in_the_arena_are_sent_as_views(sender, receiver):
    ref = sender.strided.remote()
    first, second = ray.get(ref)
    whole = np.arange(240_000, dtype="f4").reshape(600, 400)
    np.testing.assert_array_equal(first, whole[::-2, 5:])
    np.testing.assert_array_equal(second, whole.T)
    assert first.strides == whole[::-2, 5:].strides
    assert facts(first)["offset"] == facts(second)["offset"]


def test_what_ray_frees_is_free(arena, sender, receiver, until):
    refs = [sender.full.remote(N, i) for i in range(5)]
    assert ray.get(receiver.sums.remote(*refs)) == [i * N for i in range(5)]
    assert arena.stats().tickets == 5
    del refs
    gc.collect()
    until(lambda: arena.stats().used == 0)
    assert arena.stats().tickets == 0
    arena.verify()


def test_an_array_that_was_received_outlives_the_object(arena, sender, receiver, until):
    ref = sender.full.remote(N, 4)
    ray.get(receiver.keep.remote(ref))
    del ref
    gc.collect()
    until(lambda: arena.stats().tickets == 0)
    assert ray.get(receiver.still.remote())["sum"] == 4 * N
    assert arena.stats().used_bytes >= N


def test_a_program_puts_arrays_and_gets_them(arena, receiver, until):
    ref = ray.put({"a": np.full(N, 7, "u1")}, _tensor_transport="PAGEBUDDY")
    assert ray.get(receiver.taken.remote(ref))["a"]["offset"] is not None
    (nested,) = ray.get(receiver.got.remote([ref]))
    assert nested["a"]["sum"] == 7 * N
    assert nested["a"]["offset"] is not None
    del ref
    gc.collect()
    until(lambda: arena.stats().tickets == 0)


def test_an_actor_puts_arrays_that_others_borrow(arena, receiver):
    # Ray registers the transport in an actor before its first call by it, but perhaps not before others.
    sender = Sender.remote(registers=True)
    refs = ray.get(sender.put.remote(N, 9))
    assert ray.get(refs)[0].sum() == 9 * N
    (got,) = ray.get(receiver.got.remote(refs))
    assert (got["sum"], got["offset"] is not None) == (9 * N, True)


def test_a_call_that_is_tried_again_is_received_once(arena, sender, receiver, until):
    ref = sender.at_second_try.remote(N)
    assert ray.get(receiver.taken.remote(ref))["sum"] == 2 * N
    assert arena.stats().tickets == 1
    del ref
    gc.collect()
    until(lambda: arena.stats().tickets == 0)


def test_an_answer_that_was_lost_is_given_again(arena):
    from ray.experimental.rdt.util import get_tensor_transport_manager

    transport = get_tensor_transport_manager("PAGEBUDDY")
    arrays = [arena.zeros(N, "u1")]
    first = transport.extract_tensor_transport_metadata("an object", arrays)
    assert transport.extract_tensor_transport_metadata("an object", arrays) is first
    assert arena.stats().tickets == 1
    transport.garbage_collect("an object", first, arrays)
    assert arena.stats().tickets == 0
    transport.garbage_collect("an object", first, arrays)


def test_arrays_of_other_methods_are_sent_as_without_the_transport(sender):
    before = ray.get(sender.plain.remote(N))
    ray.get(sender.full.remote(N, 1))
    after = ray.get(sender.plain.remote(N))
    # Ray's store gives views of its own memory; a copy out of a pickle could be written to.
    assert not before.flags.writeable
    assert not after.flags.writeable
    assert not after.flags.owndata


def test_a_target_is_refused(sender):
    ref = sender.full.remote(N, 1)
    ray.wait([ref])

    class Target(np.ndarray):
        def is_contiguous(self):
            return True

    ray.experimental.set_target_for_ref(ref, [target := np.empty(N, "u1").view(Target)])
    with pytest.raises(ValueError, match="PAGEBUDDY cannot receive into memory that exists"):
        ray.get(ref)
    del target


def test_registering_twice_is_allowed_if_it_is_the_same(register):
    register(readonly=False)
    register(readonly=False)
    with pytest.raises(ValueError, match=r"registered already, with .*'readonly': False"):
        register()


@pytest.mark.parametrize(("name", "error"), [(5, TypeError), ("a/b", ValueError), ("", ValueError)])
def test_what_cannot_be_a_name_is_refused_before_anything_is_registered(register, name, error):
    with pytest.raises(error, match="name is"):
        register(arena=name)
    register()
