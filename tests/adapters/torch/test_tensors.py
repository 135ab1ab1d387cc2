"""Tensors in shared arenas are sent as handles by torch.multiprocessing; others as before."""

from __future__ import annotations

import gc
import io
import pickle
from contextlib import suppress
from multiprocessing.reduction import ForkingPickler

import pytest

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

import pagebuddy as pb  # noqa: E402
from pagebuddy.adapters import torch as adapter  # noqa: E402


def sent(thing):
    return bytes(ForkingPickler.dumps(thing))


def received(data):
    return pickle.loads(data)


def add_one(tasks, results):
    while (tensor := tasks.get()) is not None:
        with torch.no_grad():
            tensor += 1
        results.put(tensor)
        del tensor


def test_a_tensor_shares_its_pages_with_another_process():
    arena = pb.Arena("1 MiB")
    tensors = [
        torch.frombuffer(arena.alloc(4000), dtype=torch.float32).zero_(),
        torch.from_numpy(arena.zeros((10, 100))),
        torch.from_numpy(arena.zeros(5000, "i2"))[1000:3000:2],
        torch.nn.Parameter(torch.frombuffer(arena.alloc(400), dtype=torch.float32).zero_()),
    ]
    context = torch.multiprocessing.get_context("spawn")
    tasks, results = context.Queue(), context.Queue()
    process = context.Process(target=add_one, args=(tasks, results))
    process.start()
    used = arena.stats().used_bytes
    for tensor in tensors:
        tasks.put(tensor)
    answers = [results.get(timeout=100) for _ in tensors]
    tasks.put(None)
    process.join(100)
    assert arena.stats().used_bytes == used
    for tensor, answer in zip(tensors, answers, strict=True):
        assert set(tensor.flatten().tolist()) == {1}
        assert type(answer) is type(tensor)
        assert answer.requires_grad == tensor.requires_grad
        assert (answer.shape, answer.stride()) == (tensor.shape, tensor.stride())
        answer.data[...] = 7
        assert set(tensor.flatten().tolist()) == {7}
    del answers, answer, tensors, tensor
    gc.collect()
    assert arena.stats().used_bytes == 0


def test_a_tensor_elsewhere_is_sent_as_torch_sends_it():
    tensor = torch.ones(5000)
    data = sent(tensor)
    assert tensor.is_shared()
    assert b"pagebuddy" not in data
    sparse = torch.eye(3).to_sparse()
    assert b"pagebuddy" not in sent(sparse)
    with pytest.raises(RuntimeError, match="Cowardly refusing"):
        sent(torch.ones(3, requires_grad=True) * 2)


def test_what_a_tensor_holds_is_all_that_is_found():
    arena = pb.Arena("1 MiB")
    kept = [arena.alloc(5000) for _ in range(5)]
    middle = torch.frombuffer(kept[2], dtype=torch.uint8)[4500:]
    middle[:] = 3
    arrived = received(sent(middle))
    assert arrived.tolist() == [3] * 500
    assert arrived.data_ptr() == middle.data_ptr()


def test_without_a_free_ticket_torch_copies_the_tensor():
    arena = pb.Arena("64 KiB")
    tensor = torch.frombuffer(arena.alloc(400), dtype=torch.float32).fill_(2)
    with suppress(pb.OutOfTickets):
        while True:
            arena.dumps(memoryview(tensor.numpy()))
    before = adapter.fallbacks.counts.get("OutOfTickets", 0)
    assert b"tensor_of_handle" not in sent(tensor)
    assert adapter.fallbacks.counts["OutOfTickets"] == before + 1


def test_share_arrays_turns_it_off():
    arena = pb.Arena("1 MiB")
    tensor = torch.from_numpy(arena.zeros(1000))
    pb.share_arrays(False)
    try:
        assert b"tensor_of_handle" not in sent(tensor)
    finally:
        pb.share_arrays()
    assert b"tensor_of_handle" in sent(torch.from_numpy(arena.zeros(1000)))


def test_plain_pickle_copies_a_tensor():
    arena = pb.Arena("1 MiB")
    tensor = torch.from_numpy(arena.zeros(1000))
    file = io.BytesIO()
    pickle.dump(tensor, file)
    assert pickle.loads(file.getvalue()).data_ptr() != tensor.data_ptr()
