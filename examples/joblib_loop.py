"""Smooth signals in worker processes. Two lines let joblib use an arena.

python examples/joblib_loop.py
"""

from typing import Any

import numpy as np
from joblib import Parallel, delayed, parallel_config

import pagebuddy.adapters.joblib  # noqa: F401


def smoothed(signals: Any, width: int) -> Any:
    return np.array([np.convolve(row, np.ones(width) / width, "same") for row in signals])


signals = np.random.default_rng(1).normal(size=(8, 250_000))  # copied into the arena once
with parallel_config(backend="pagebuddy", n_jobs=2):
    results = Parallel()(delayed(smoothed)(signals, width) for width in (1, 4, 16, 64))
for result in results:  # created in the arena, not copied
    print(result.shape, round(float(result.std()), 2))
