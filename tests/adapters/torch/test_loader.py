"""The loader yields what torch's yields, and its tensors lie in an arena."""

from __future__ import annotations

import copy
import dataclasses
import gc
import os
import pickle
import signal
from collections import namedtuple

import pytest

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

from torch.utils.data import DataLoader as TorchLoader  # noqa: E402
from torch.utils.data import Dataset, IterableDataset, default_collate, get_worker_info  # noqa: E402

import pagebuddy as pb  # noqa: E402
from pagebuddy.adapters import torch as adapter  # noqa: E402
from pagebuddy.adapters.torch import DataLoader  # noqa: E402

Point = namedtuple("Point", ["x", "y"])


@dataclasses.dataclass
class Pair:
    left: object
    right: object


class Samples(Dataset):
    """Samples of everything that torch collates."""

    def __len__(self):
        return 10

    def __getitem__(self, i):
        return {
            "image": torch.full((3, 64, 64), float(i)),
            "point": Point(torch.tensor(i), f"text {i}"),
            "array": np.full((10, 1000), i, "i4"),
            "nested": {"numbers": [i, i / 2], "flag": torch.ones(7, dtype=torch.bool)},
            "half": torch.full((50_000,), i, dtype=torch.bfloat16),
            "none": torch.empty(0, 3),
        }


class Items(IterableDataset):
    """Several workers divide the numbers up to 12."""

    def __iter__(self):
        info = get_worker_info()
        yield from (torch.full((20_000,), i) for i in range(info.id, 12, info.num_workers))


class Made(Dataset):
    """Samples that functions make in the worker."""

    def __init__(self, *makers):
        self.makers = makers

    def __len__(self):
        return len(self.makers)

    def __getitem__(self, i):
        return self.makers[i]()


def paired(samples):
    large = torch.stack([sample["image"] for sample in samples])
    small = [torch.full((i,), i) for i in range(5)]
    return Pair(large, small), np.arange(10_000.0).reshape(100, 100), samples[0]["array"].T, "text"


def told(thing):
    """An object that is equal for equal batches."""
    if isinstance(thing, torch.Tensor):
        facts = thing.dtype, tuple(thing.shape), thing.requires_grad, str(thing.layout), type(thing)
        if thing.layout is not torch.strided or thing.is_quantized:
            return (
                facts,
                thing.to_dense().tolist() if thing.is_sparse else thing.int_repr().tolist(),
            )
        return facts, thing.stride(), thing.detach().contiguous().flatten().tolist()
    if isinstance(thing, np.ndarray):
        return thing.dtype, thing.strides, thing.flags.writeable, thing.tolist()
    if isinstance(thing, dict):
        return {key: told(value) for key, value in thing.items()}
    if dataclasses.is_dataclass(thing):
        return type(thing), told(vars(thing))
    if isinstance(thing, list | tuple):
        return type(thing), [told(value) for value in thing]
    return thing


def only(dataset, **options):
    """The one batch of a loader with one worker, as it came."""
    options = {"batch_size": None, "num_workers": 1} | options
    (batch,) = DataLoader(dataset, **options)
    return batch


def lies_in(arena, tensor):
    base, n_bytes = arena._open.extent
    return base <= tensor.data_ptr() < base + n_bytes


@pytest.fixture(autouse=True)
def counts():
    """The fallbacks of a test; none unless it asks for this."""
    before = adapter.fallbacks.counts
    adapter.fallbacks._counts.clear()
    expected = {}
    yield expected
    assert adapter.fallbacks.counts.keys() == expected.keys()
    adapter.fallbacks._counts.update(before)


CASES = {
    "default": (Samples, {"batch_size": 4}),
    "one worker, one batch ahead": (Samples, {"num_workers": 1, "prefetch_factor": 1}),
    "single samples": (Samples, {"batch_size": None}),
    "own collate": (Samples, {"batch_size": 3, "collate_fn": paired, "drop_last": True}),
    "samplers": (Samples, {"batch_sampler": [[1, 2], [9], [3, 0, 4]]}),
    "shuffled": (Samples, {"shuffle": True, "batch_size": 5, "timeout": 100}),
    "items": (Items, {"batch_size": 3}),
    "no workers": (Samples, {"num_workers": 0, "batch_size": 4}),
}


def batches_of(loader_class, dataset, options, epochs=1):
    options = {"num_workers": 2} | options
    loader = loader_class(dataset, generator=torch.Generator().manual_seed(3), **options)
    return [[told(batch) for batch in loader] for _ in range(epochs)]


@pytest.mark.parametrize("case", CASES)
def test_it_yields_what_torchs_loader_yields(case):
    dataset, options = CASES[case]
    wanted = batches_of(TorchLoader, dataset(), options)
    assert batches_of(DataLoader, dataset(), options) == wanted


def test_persistent_workers_yield_the_same_in_every_epoch():
    options = {"batch_size": 4, "persistent_workers": True}
    wanted = batches_of(TorchLoader, Samples(), options, 2)
    assert batches_of(DataLoader, Samples(), options, 2) == wanted


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_every_start_method_works(method):
    options = {"batch_size": 5, "num_workers": 1, "multiprocessing_context": method}
    wanted = [told(batch) for batch in TorchLoader(Samples(), batch_size=5)]
    assert batches_of(DataLoader, Samples(), options) == [wanted]


def test_pinning_memory_works_as_torchs_does():
    options = {"batch_size": 5, "pin_memory": True}
    if torch.accelerator.is_available():
        assert all(batch["image"].is_pinned() for batch in DataLoader(Samples(), **options))
        return
    with pytest.warns(UserWarning, match="no accelerator is found"):
        wanted = batches_of(TorchLoader, Samples(), options)
    with pytest.warns(UserWarning, match="no accelerator is found"):
        assert batches_of(DataLoader, Samples(), options) == wanted


def test_tensors_lie_in_the_arena_are_writable_and_keep_their_pages():
    loader = DataLoader(Samples(), batch_size=5, num_workers=1)
    assert loader.arena is None
    first, second = loader
    arena = loader.arena
    del loader
    for tensor in (first["image"], first["array"], first["nested"]["flag"], first["point"].x):
        assert lies_in(arena, tensor)
        assert not tensor._is_view()
        tensor.fill_(5)
    kept = first["image"][2:, 1]
    del first, second, tensor
    gc.collect()
    assert kept.max() == 5
    (row,) = arena.buffers()
    assert row.nbytes == 5 * 3 * 64 * 64 * 4
    del kept
    assert arena.stats().used_bytes == 0


def test_the_small_tensors_of_a_batch_share_one_buffer():
    def many():
        kinds = torch.float32, torch.bool, torch.int64, torch.complex128, torch.bfloat16
        return [torch.full((i % 7, 2), i).to(kinds[i % 5]) for i in range(300)] + [torch.tensor(5)]

    arena = pb.Arena("1 MiB")
    batch = only(Made(many), arena=arena)
    assert told(batch) == told(many())
    assert len(list(arena.buffers())) == 1
    assert {tensor.untyped_storage().nbytes() == tensor.nbytes for tensor in batch} == {True}
    gc.collect()


def test_default_collate_in_a_function_collates_into_the_arena():
    def collate(samples):
        batch = default_collate(samples)
        return batch, lies_in(arena, batch["image"])

    arena = pb.Arena("64 MiB")
    for batch, was_there in DataLoader(
        Samples(), batch_size=5, num_workers=1, collate_fn=collate, arena=arena
    ):
        assert was_there
        assert lies_in(arena, batch["image"])


def test_tensors_that_share_bytes_still_share_them():
    def made():
        x = torch.arange(60_000.0).view(100, 600)
        y = torch.zeros(10)
        return [x, x.t(), x[3], x[::2], x.expand(2, 100, 600), x, y, y[2:]]

    batch = only(Made(made))
    assert told(batch) == told(made())
    batch[0][4, 5] = -1
    assert batch[1][5, 4] == batch[3][2, 5] == batch[4][1, 4, 5] == -1
    assert batch[5] is batch[0]
    batch[6][2] = 9
    assert batch[7][0] == 9


def test_views_of_a_large_tensor_are_copied_alone():
    def made():
        large = torch.arange(1_000_000)
        views = [large[i * 10_000 : i * 10_000 + 10] for i in range(50)]
        return views, large.view(1000, 1000)[:, 3]

    arena = pb.Arena("1 MiB")
    batch = only(Made(lambda: made()[0]), arena=arena)
    assert told(batch) == told(made()[0])
    assert arena.stats().used_bytes == 4096
    column = only(Made(lambda: made()[1]), arena=arena)
    assert column.tolist() == made()[1].tolist()
    assert column.is_contiguous()


def test_a_dataset_in_the_arena_is_not_copied():
    arena = pb.Arena("16 MiB")
    array = arena.zeros(1_000_000, "f4")
    data = torch.from_numpy(array)
    used = arena.stats().used_bytes
    batch = only(Made(lambda: [data[100:200], array, data]), arena=arena)
    assert arena.stats().used_bytes == used
    batch[0][:] = 5
    assert float(array[150]) == batch[1][150] == batch[2][150] == 5


@pytest.mark.parametrize("size", [(), (3,), (0, 2), (40_000,)], ids=str)
def test_every_dtype_arrives(size):
    kinds = sorted(adapter._DTYPES - {torch.complex32}, key=str)

    def made():
        return [
            torch.zeros(size).to(kind) if kind.is_floating_point else torch.zeros(size, dtype=kind)
            for kind in kinds
        ]

    batch = only(Made(made))
    assert [(each.dtype, each.shape) for each in batch] == [(kind, size) for kind in kinds]
    assert all(
        torch.equal(each.view(-1).view(torch.uint8), want.view(-1).view(torch.uint8))
        for each, want in zip(batch, made(), strict=True)
    )


@pytest.mark.filterwarnings("ignore:Sparse invariant")
def test_tensors_that_are_more_than_items_are_sent_by_torch():
    def made():
        torch.manual_seed(1)
        shared = torch.ones(3).share_memory_()
        return [
            torch.rand(4, requires_grad=True),
            torch.nn.Parameter(torch.rand(4)),
            torch.rand(3, 3).to_sparse(),
            shared,
            torch.rand(2, 3, 40, 40).contiguous(memory_format=torch.channels_last),
        ]

    batch = only(Made(made))
    assert told(batch) == told(made())
    assert batch[3].is_shared()


class Raises(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, i):
        if i == 1:
            raise KeyError("no such sample\non two lines")
        return torch.ones(50_000)


def test_errors_of_workers_are_those_of_torch():
    raised = []
    for loader_class in TorchLoader, DataLoader:
        batches = iter(loader_class(Raises(), num_workers=1))
        next(batches)
        with pytest.raises(KeyError) as caught:
            next(batches)
        raised.append(str(caught.value).splitlines())
    assert raised[0][-1] == raised[1][-1]
    assert raised[0][0] == raised[1][0]

    def ragged():
        return Made(lambda: torch.ones(50_000), lambda: torch.ones(50_001))

    for loader_class in TorchLoader, DataLoader:
        with pytest.raises(RuntimeError, match=r"stack expects each tensor to be equal size"):
            list(loader_class(ragged(), batch_size=2, num_workers=1))


class Dies(Dataset):
    """A worker that is killed while it builds its third batch."""

    def __len__(self):
        return 8

    def __getitem__(self, i):
        if i == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.ones(100_000)


def die_in_collate(samples):
    batch = default_collate(samples)
    os.kill(os.getpid(), signal.SIGKILL)
    return batch


@pytest.mark.parametrize("collate", [None, die_in_collate])
def test_the_pages_of_a_killed_worker_come_back(collate):
    loader = DataLoader(Dies(), batch_size=2, num_workers=1, collate_fn=collate)
    batches = iter(loader)
    with pytest.raises(RuntimeError, match=r"exited unexpectedly|killed by signal"):
        list(batches)
    del batches
    gc.collect()
    assert loader.arena.stats().used_bytes == 0
    loader.collate_fn = default_collate
    loader.dataset.__class__ = Samples
    assert len(list(loader)) == 5


def test_leaving_a_loop_early_leaves_nothing():
    loader = DataLoader(Samples(), batch_size=1, num_workers=2, prefetch_factor=3)
    for _ in range(2):
        for batch in loader:  # noqa: B007
            break
    del batch
    gc.collect()
    assert loader.arena.stats().used_bytes == 0
    assert loader.arena.stats().tickets == 0


def test_two_iterators_of_one_loader_do_not_disturb_each_other():
    loader = DataLoader(Samples(), batch_size=2, num_workers=1)
    first = iter(loader)
    next(first)
    next(iter(loader))
    gc.collect()
    assert len(list(first)) == 4


def test_batches_that_do_not_fit_are_sent_by_torch_and_counted(counts, caplog):
    counts["OutOfPages"] = 3
    arena = pb.Arena("64 KiB")
    wanted = [told(batch) for batch in TorchLoader(Samples(), batch_size=4)]
    loader = DataLoader(Samples(), batch_size=4, num_workers=1, arena=arena)
    assert [told(batch) for batch in loader] == wanted
    assert adapter.fallbacks.counts == counts
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "could not be sent through the arena" in caplog.text
    gc.collect()
    assert arena.stats().used_bytes == 0


@pytest.mark.parametrize("kind", ["closed", "of one process"])
def test_without_an_arena_it_is_torchs_loader(counts, kind):
    if kind == "closed":
        counts["ArenaClosed"] = 1
        arena = pb.Arena("1 MiB")
        arena.close()
    else:
        counts["ValueError"] = 1
        arena = pb.Arena.over(bytearray(1 << 20))
    loader = DataLoader(Samples(), batch_size=5, num_workers=1, arena=arena)
    assert len(list(loader)) == 2
    assert adapter.fallbacks.counts == counts


def test_closing_a_given_arena_does_not_disturb_a_loop():
    arena = pb.Arena("16 MiB")
    batches = iter(DataLoader(Samples(), batch_size=2, num_workers=1, arena=arena))
    next(batches)
    arena.close()
    assert len(list(batches)) == 4


def test_a_worker_that_cannot_attach_works_without_an_arena(counts):
    counts["no arena"] = 2
    arena = pb.Arena("16 MiB")
    place = adapter.descriptor_of(arena._open)
    collate = adapter.collate_in_worker(default_collate, (place[0] + 1, "nno-such-arena", None))
    data, reason, message = collate([1, 2]).__reduce__()[1]
    assert data.tolist() == [1, 2]
    for _ in range(2):
        assert adapter.fallback_counted(data, reason, message) is data


def test_wrong_arguments_raise_what_torch_raises():
    with pytest.raises(TypeError, match="it must be an Arena, or None"):
        DataLoader(Samples(), arena="1 GiB")
    with pytest.raises(ValueError, match="num_workers option should be non-negative"):
        DataLoader(Samples(), num_workers=-1)
    with pytest.raises(TypeError, match="nonsense"):
        DataLoader(Samples(), nonsense=1)


def test_a_loader_is_copied_and_pickled_as_torchs_is():
    loader = DataLoader(Samples(), batch_size=5, num_workers=1)
    assert len(list(loader)) == 2
    for other in (copy.deepcopy(loader), pickle.loads(pickle.dumps(loader)), copy.copy(loader)):
        assert other.arena is None
        assert len(list(other)) == 2
        assert other.arena is not loader.arena
    assert loader.collate_fn is default_collate


@pytest.mark.alone
def test_a_loop_opens_few_descriptors():
    def many():
        return [torch.ones(4) for _ in range(448)]

    before = len(os.listdir("/proc/self/fd"))
    most = 0
    kept = []
    for batch in DataLoader(Made(*[many] * 6), batch_size=None, num_workers=2):
        kept.append(batch)
        most = max(most, len(os.listdir("/proc/self/fd")))
    assert most - before <= 20
