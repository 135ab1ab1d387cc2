"""Another host, that is another raylet with an arena of its own, gets the bytes through Ray's store."""

from __future__ import annotations

import gc
import os
import signal

import pytest

np = pytest.importorskip("numpy")
ray = pytest.importorskip("ray")

import pagebuddy.adapters.ray as adapter  # noqa: E402
from tests.adapters.ray.actors import Receiver, Sender, facts  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")

N = 1_000_000


@pytest.fixture(scope="module", autouse=True)
def other_host(cluster):
    node = cluster.add_node(num_cpus=2, object_store_memory=200 << 20, resources={"there": 1000})
    yield
    cluster.remove_node(node)


@pytest.fixture
def here(arena):
    return Sender.options(resources={"here": 1}).remote()


@pytest.fixture
def there(arena):
    return Receiver.options(resources={"there": 1}).remote()


def test_each_host_has_an_arena_of_its_own(arena, here, there):
    ray.get(there.taken.remote(here.full.remote(3, 1)))
    assert ray.get(here.report.remote())[1] == arena._open.layout.arena_id
    assert ray.get(there.report.remote())[1] != arena._open.layout.arena_id


def test_another_host_gets_the_bytes(here, there):
    ref = here.given.remote({"a": np.arange(N), "b": [np.arange(5)]})
    got = ray.get(there.taken.remote(ref))
    assert got["a"]["sum"] == N * (N - 1) // 2
    assert got["b"][0]["sum"] == 10
    assert got["a"]["offset"] is None
    assert not got["a"]["writeable"]
    assert ray.get(there.report.remote())[0] == {"another arena": 1}
    # And this host has the array where it lies.
    assert facts(ray.get(ref))["a"]["offset"] is not None


def test_the_program_gets_what_an_actor_on_another_host_returned(arena):
    far = Sender.options(resources={"there": 1}).remote()
    assert ray.get(far.full.remote(N, 5)).sum() == 5 * N
    assert ray.get(far.inside.remote(N, 6)).sum() == 6 * N
    assert list(ray.get(far.objects.remote())) == [1, "two", None]
    assert adapter.fallbacks.counts == {"another arena": 2}


def test_what_the_program_puts_reaches_another_host(there):
    ref = ray.put(np.full(N, 7, "u1"), _tensor_transport="PAGEBUDDY")
    assert ray.get(there.taken.remote(ref))["sum"] == 7 * N
    assert ray.get(there.got.remote([ref]))[0]["sum"] == 7 * N


def test_with_readonly_false_another_host_gets_a_copy_that_it_can_store_to(register):
    register(readonly=False)
    here = Sender.options(resources={"here": 1}).remote()
    there = Receiver.options(resources={"there": 1}).remote()
    ref = here.inside.remote(N, 3)
    ray.get(there.store.remote(ref, 77))
    assert ray.get(here.own.remote()) == 3
    assert ray.get(there.taken.remote(ref))["writeable"]


def test_actors_that_send_to_each_other_at_once_do_not_wait_for_each_other(arena):
    pair = [Sender.options(resources={host: 1}).remote() for host in ("here", "there")]
    refs = [[actor.full.remote(N, i) for i in range(5)] for actor in pair]
    calls = [
        actor.taken.remote(ref)
        for k in range(5)
        for actor, ref in ((pair[0], refs[1][k]), (pair[1], refs[0][k]))
    ]
    assert [x["sum"] for x in ray.get(calls)] == [i * N for i in range(5) for _ in pair]


def test_many_receivers_on_another_host_share_what_ray_frees(arena, here, there, until):
    receivers = [there, Receiver.options(resources={"there": 1}).remote()]
    ref = here.full.remote(N, 4)
    assert [x["sum"] for x in ray.get([r.taken.remote(ref) for r in receivers * 2])] == [4 * N] * 4
    del ref
    gc.collect()
    until(lambda: arena.stats().used == 0)


def test_a_sender_that_is_killed_while_another_host_waits_for_it_is_an_error(here, there):
    ref = here.full.remote(N, 4)
    pid = ray.get(here.pid.remote())
    ray.get(there.pid.remote())
    ray.wait([ref])
    os.kill(pid, signal.SIGSTOP)
    call = there.taken.remote(ref)
    assert ray.wait([call], timeout=0.5)[0] == []
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ray.exceptions.RayError, match="may have died"):
        ray.get(call)
    # The receiver goes on.
    assert ray.get(there.sums.remote(np.ones(3))) == [3]
