"""What an arena cannot do, Ray's object store does: it is counted, and logged once."""

from __future__ import annotations

import logging

import pytest

import pagebuddy

np = pytest.importorskip("numpy")
ray = pytest.importorskip("ray")

import pagebuddy.adapters.ray as adapter  # noqa: E402
from tests.adapters.ray.actors import Receiver, Sender  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")

N = 3_000_000


@pytest.fixture
def small(register, name):
    """An arena with too little room for N bytes, that the transport uses."""
    made = pagebuddy.Arena.create(name, "2 MiB")
    register(arena=name)
    return made


def test_what_does_not_fit_in_the_arena_is_received_all_the_same(small):
    sender, receiver = Sender.remote(), Receiver.remote()
    for times in (1, 2):
        got = ray.get(receiver.taken.remote(sender.full.remote(N, 3)))
        assert (got["sum"], got["offset"], got["writeable"]) == (3 * N, None, False)
        assert ray.get(sender.report.remote())[0] == {"OutOfPages": times}
    # What fits goes through the arena.
    got = ray.get(receiver.taken.remote(sender.full.remote(1_000_000, 3)))
    assert (got["sum"], got["offset"] is not None) == (3_000_000, True)
    assert ray.get(receiver.report.remote())[0] == {}


def test_what_the_program_puts_and_does_not_fit_is_put_in_rays_store(small, caplog):
    receiver = Receiver.remote()
    with caplog.at_level(logging.WARNING, "pagebuddy"):
        refs = [ray.put(np.full(N, i, "u1"), _tensor_transport="PAGEBUDDY") for i in (1, 2)]
    assert [x["sum"] for x in ray.get([receiver.taken.remote(r) for r in refs])] == [N, 2 * N]
    assert adapter.fallbacks.counts == {"OutOfPages": 2}
    (record,) = caplog.records
    assert "an object is sent through Ray's store: OutOfPages: no room for" in record.getMessage()


def test_without_an_arena_of_the_name_everything_goes_through_rays_store(register, name):
    register(arena=name)
    sender, receiver = Sender.remote(), Receiver.remote()
    assert ray.get(receiver.taken.remote(sender.full.remote(N, 3)))["sum"] == 3 * N
    assert ray.get(sender.report.remote()) == ({"ArenaNotFound": 1}, "ArenaNotFound")
    # And as soon as there is one, through it.
    made = pagebuddy.Arena.create(name, "64 MiB")
    got = ray.get(receiver.taken.remote(sender.full.remote(N, 4)))
    assert (got["sum"], got["offset"] is not None) == (4 * N, True)
    assert made.stats().used_bytes >= N


def test_arenas_of_the_same_name_are_not_confused(register, name):
    first = pagebuddy.Arena.create(name, "64 MiB")
    register(arena=name)
    sender, receiver = Sender.remote(), Receiver.remote()
    ref = sender.full.remote(N, 3)
    ray.wait([ref])
    first.unlink()
    second = pagebuddy.Arena.create(name, "64 MiB")
    held = second.full(N, 5, "u1")
    got = ray.get(receiver.taken.remote(ref))
    assert (got["sum"], got["offset"]) == (3 * N, None)
    counts, arena_id = ray.get(receiver.report.remote())
    assert counts == {"another arena": 1}
    assert arena_id == second._open.layout.arena_id != first._open.layout.arena_id
    assert held.sum() == 5 * N


def test_arrays_of_python_objects_go_through_rays_store(arena):
    sender, receiver = Sender.remote(), Receiver.remote()
    got = ray.get(receiver.taken.remote(sender.objects.remote()))
    assert got["sum"] == [1, "two", None]
    assert ray.get(sender.report.remote())[0] == {"kind": 1}


def test_an_arena_object_that_is_closed_does_not_affect_the_transport(arena):
    adapter.arena().close()
    arena.close()
    ref = ray.put(np.arange(N), _tensor_transport="PAGEBUDDY")
    assert ray.get(Receiver.remote().taken.remote(ref))["offset"] is not None
    assert adapter.fallbacks.counts == {}
