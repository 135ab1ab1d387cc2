"""Fixtures for tests of `pagebuddy.shared_memory`: arenas that are not the user's own."""

from __future__ import annotations

import gc
import os
import secrets
from pathlib import Path

import pytest

from pagebuddy import shared_memory as module
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
    monkeypatch.setattr(module, "_logged", set())
    yield prefix
    gc.collect()
    for path in Path(FOLDER).glob(f"{prefix}*"):
        os.unlink(path)


@pytest.fixture
def shm(prefix):
    """Return the module, with the engine under test."""
    return module
