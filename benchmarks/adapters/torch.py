"""Measure pagebuddy's DataLoader beside torch's; print a table.

    python -m benchmarks.adapters.torch --rounds 5

Both take turns, with two workers each. A figure is the median of the rounds.
The time of the processors is that of all processes, from start to end: unlike
samples per second, it depends little on other programs.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader as TorchLoader
from torch.utils.data import Dataset, default_collate

from pagebuddy.adapters.torch import DataLoader, fallbacks


class Images(Dataset[Any]):
    """Images of floats. Loading one takes no time, or `seconds` of computing."""

    def __init__(self, n: int, side: int, n_small: int = 0, seconds: float = 0.0) -> None:
        self.n = n
        self.n_small = n_small
        self.seconds = seconds
        self.image = torch.rand(3, side, side)

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        end = time.process_time() + self.seconds
        while time.process_time() < end:
            pass
        if not self.n_small:
            return self.image, i
        return self.image, [torch.zeros(4) for _ in range(self.n_small)]


def detections(samples: list[Any]) -> Any:
    """Images as one tensor, and the boxes of each image as they are."""
    return default_collate([image for image, _ in samples]), [boxes for _, boxes in samples]


def stacked(samples: list[Any]) -> Any:
    """The same by `torch.stack`, which knows nothing of shared memory."""
    return torch.stack([image for image, _ in samples]), [boxes for _, boxes in samples]


class Case(NamedTuple):
    """What is loaded, and how."""

    name: str
    dataset: Images
    batch_size: int
    collate_fn: Callable[..., Any] = default_collate


CASES = [
    Case("38 MB: 64 images of 3x224x224", Images(64 * 80, 224), 64),
    Case("the same and 448 small tensors", Images(64 * 40, 224, 7), 64, detections),
    Case("the same, collated by torch.stack", Images(64 * 40, 224, 7), 64, stacked),
    Case("1.5 MB: 128 images of 3x32x32", Images(128 * 200, 32), 128),
    Case("12 KB: 1 image of 3x32x32", Images(512, 32), 1),
    Case("19 MB: 32 images of 5 ms each", Images(32 * 8, 224, 0, 0.005), 32),
]


def processor_time() -> float:
    """Return the seconds that this process and its children have used; of those that have ended."""
    used = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(each.ru_utime + each.ru_stime for each in used)


def loaded(loader_class: Any, case: Case) -> tuple[float, float, int]:
    """Return samples per second from the first batch on, ms of processors a batch, most descriptors."""
    before = processor_time()
    loader = loader_class(
        case.dataset, batch_size=case.batch_size, num_workers=2, collate_fn=case.collate_fn
    )
    batches = iter(loader)
    next(batches)
    n = n_open = 0
    started = time.perf_counter()
    for batch in batches:
        n += len(batch[0])
        float(batch[0][0, 0, 0, 0])
        n_open = max(n_open, len(os.listdir("/proc/self/fd")))
    rate = n / (time.perf_counter() - started)
    n_batches = len(loader)
    # Ends the workers.
    del batches, batch, loader
    return rate, (processor_time() - before) * 1000 / n_batches, n_open


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.adapters.torch",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5, help="samples per case (default: 5)")
    rounds = parser.parse_args().rounds
    titles = f"{'torch':>8} {'pagebuddy':>9} {'times':>6}"
    print(f"{'samples/s, then ms of processors':38} {titles} {titles}  descriptors")
    for case in CASES:
        taken: dict[Any, list[tuple[float, float, int]]] = {TorchLoader: [], DataLoader: []}
        for _ in range(rounds):
            for loader_class, samples in taken.items():
                samples.append(loaded(loader_class, case))
        before, after = (median(rate for rate, _, _ in samples) for samples in taken.values())
        used, uses = (median(ms for _, ms, _ in samples) for samples in taken.values())
        most = [max(n for _, _, n in samples) for samples in taken.values()]
        rates = f"{before:8.0f} {after:9.0f} {after / before:6.1f}"
        times = f"{used:8.1f} {uses:9.1f} {used / uses:6.1f}"
        print(f"{case.name:38} {rates} {times}  {most[0]} and {most[1]}", flush=True)
    print(f"load of the machine: {os.getloadavg()[0]:.1f}; fallbacks: {fallbacks.counts or 'none'}")


if __name__ == "__main__":
    main()
