"""An arena for the loops of a test, and loops in it with two workers, which all tests share."""

from __future__ import annotations

import pytest

pytest.importorskip("joblib")
pytest.importorskip("cloudpickle")

import joblib

import pagebuddy as pb
import pagebuddy.adapters.joblib as adapter

ARENAS: list[pb.Arena] = []


@pytest.fixture
def arena():
    """The arena of all these tests. What a test leaves in it is found by the next assertion."""
    if not ARENAS:
        ARENAS.append(pb.Arena("256 MiB", slots=112))
    return ARENAS[0]


@pytest.fixture
def loop(arena):
    """Run a loop in the arena, with two workers."""

    def run(tasks, n_jobs=2, **options):
        options.setdefault("arena", arena)
        return joblib.Parallel(n_jobs=n_jobs, backend="pagebuddy", **options)(tasks)

    return run


@pytest.fixture
def fallbacks(monkeypatch):
    """The fallbacks of a test alone."""
    fallbacks = adapter.Fallbacks("pagebuddy.adapters.joblib")
    monkeypatch.setattr(adapter, "fallbacks", fallbacks)
    return fallbacks
