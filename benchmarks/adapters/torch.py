"""Measure pagebuddy's DataLoader beside torch's; print a table.

    python -m benchmarks.adapters.torch --rounds 5

Both take turns, with two workers each. A figure is the median of the rounds.
"""

from __future__ import annotations

import argparse
import os
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


def loaded(loader_class: Any, case: Case) -> tuple[float, int]:
    """Return samples per second, from the first batch on, and the most open descriptors."""
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
    return n / (time.perf_counter() - started), n_open


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.adapters.torch",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5, help="samples per case (default: 5)")
    rounds = parser.parse_args().rounds
    print(f"{'samples/s':38} {'torch':>8} {'pagebuddy':>9} {'times':>6}  descriptors")
    for case in CASES:
        taken: dict[Any, list[tuple[float, int]]] = {TorchLoader: [], DataLoader: []}
        for _ in range(rounds):
            for loader_class, samples in taken.items():
                samples.append(loaded(loader_class, case))
        before, after = (median(rate for rate, _ in samples) for samples in taken.values())
        most = [max(n for _, n in samples) for samples in taken.values()]
        figures = f"{before:8.0f} {after:9.0f} {after / before:6.1f}  {most[0]} and {most[1]}"
        print(f"{case.name:38} {figures}", flush=True)
    print(f"load of the machine: {os.getloadavg()[0]:.1f}; fallbacks: {fallbacks.counts or 'none'}")


if __name__ == "__main__":
    main()
