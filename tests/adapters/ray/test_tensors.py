"""Tensors of torch have a transport of their own."""

from __future__ import annotations

import gc

import pytest

torch = pytest.importorskip("torch")
ray = pytest.importorskip("ray")
pytest.importorskip("numpy")

import pagebuddy.adapters.ray as adapter  # noqa: E402
from tests.adapters.ray.actors import Receiver, Sender  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")

N = 1_000_000

TENSORS = [
    torch.arange(100_000, dtype=torch.float32).reshape(100, 1000),
    torch.arange(100_000).reshape(100, 1000).T,
    torch.arange(100_000).to(torch.bfloat16),
    torch.arange(100_000) % 3 == 0,
    torch.tensor(5.0),
    torch.zeros(0, 3),
    torch.complex(torch.ones(20_000), torch.ones(20_000)).conj(),
    torch.ones(20_000, requires_grad=True),
    torch.arange(10, dtype=torch.uint8),
    torch.eye(100).to_sparse(),
]


@pytest.fixture
def put(arena):
    """Return a function that puts an object by the transport of tensors."""
    return lambda thing: ray.put(thing, _tensor_transport="PAGEBUDDY_TORCH")


def test_tensors_of_any_kind_arrive_as_they_are(put):
    receiver = Receiver.remote()
    for tensor in TENSORS:
        (got,) = ray.get(receiver.back.remote([put({"a": tensor})]))
        assert got["a"].dtype == tensor.dtype
        assert got["a"].shape == tensor.shape
        assert torch.equal(got["a"].to_dense(), tensor.detach().to_dense())
    # The sparse one was sent as Ray does it.
    assert adapter.fallbacks.counts == {"kind": 1}


def test_a_tensor_in_the_arena_is_not_copied(arena, put, until):
    tensor = torch.from_numpy(arena.empty(N, "u1"))
    tensor[:] = 5
    used = arena.stats().used
    ref = put(tensor[10:])
    assert ray.get(Receiver.remote().tensor.remote(ref)) == (5 * (N - 10), 10)
    assert arena.stats().used == used
    del ref, tensor
    gc.collect()
    until(lambda: arena.stats().used == 0)


def test_what_a_receiver_stores_the_others_see(put):
    ref = put(torch.zeros(N))
    first, second = Receiver.remote(), Receiver.remote()
    ray.get(first.store.remote(ref, 7.0))
    assert ray.get(second.tensor.remote(ref))[0] == 7.0


def test_actors_return_tensors(arena):
    sender, receiver = Sender.remote(), Receiver.remote()
    ref = sender.tensor.remote(N)
    assert ray.get(receiver.tensor.remote(ref))[0] == 3 * N
    assert arena.stats().tickets == 1
    assert ray.get(ref).sum() == 3 * N
