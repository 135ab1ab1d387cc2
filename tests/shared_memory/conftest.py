"""Fixtures for tests of `pagebuddy.shared_memory`: arenas that are not the user's own."""

from __future__ import annotations

import gc
import os
import secrets
from pathlib import Path

import pytest

from pagebuddy import shared_memory as module
from pagebuddy.arena.fallbacks import Fallbacks
from pagebuddy.memory.named import FOLDER
from tests.conftest import OURS


@pytest.fixture(autouse=True)
def prefix(Arena, monkeypatch):
    """Let segments be in other arenas, which are removed afterwards; return how their names begin.

    Programs find it in the environment.
    """
    prefix = f"{OURS}shm-{secrets.token_hex(4)}"
    monkeypatch.setenv("PAGEBUDDY_TEST_SHM", prefix)
    monkeypatch.setattr(module, "PREFIX", prefix)
    monkeypatch.setattr(module, "Arena", Arena)
    monkeypatch.setattr(module, "_attached", {})
    monkeypatch.setattr(module, "fallbacks", Fallbacks("pagebuddy.shared_memory"))
    # Fewer, because each test makes an arena.
    monkeypatch.setattr(module, "_SPARE_KEYS", module._SPARE_KEYS[:8])
    yield prefix
    gc.collect()
    for path in Path(FOLDER).glob(f"{prefix}*"):
        os.unlink(path)


@pytest.fixture
def shm(prefix):
    """Return the module, with the engine under test."""
    return module


@pytest.fixture
def arenas(prefix):
    """Return how many arenas there are, the user's and those of single segments."""
    return lambda: len(list(Path(FOLDER).glob(f"{prefix}*")))


@pytest.fixture
def small(shm, monkeypatch):
    """Let the user's arena have 1 MiB, so that segments of more than 64 KiB get arenas of their own."""
    monkeypatch.setattr(shm, "MOST_BYTES", 1 << 20)


@pytest.fixture
def used(shm, Arena):
    """Return how many pages segments and their records take in the user's arena."""

    def count():
        arena = Arena.attach(shm._name_for(os.geteuid()))
        spare = sum(row.n_pages for row in arena.buffers() if (row.key or "").startswith("!"))
        return arena.stats().used - spare

    return count
