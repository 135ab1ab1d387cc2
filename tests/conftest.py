"""One run covers both engines, by the fixture `Buddy`.

PAGEBUDDY_PURE=1 leaves the compiled one out, PAGEBUDDY_REQUIRE_COMPILED=1 makes its absence an
error, PAGEBUDDY_SEARCH=long looks for faults much longer.
"""

from __future__ import annotations

import importlib
import os

import pytest
from hypothesis import HealthCheck, settings

from pagebuddy import Arena as ChosenArena
from pagebuddy import BuddyAllocator

LONG = os.environ.get("PAGEBUDDY_SEARCH") == "long"

settings.register_profile(
    "modest",
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "long", settings.get_profile("modest"), max_examples=2000, stateful_step_count=100
)
settings.load_profile("long" if LONG else "modest")


@pytest.fixture(scope="session")
def rounds() -> int:
    """How many times as long as usual a search without Hypothesis shall be."""
    return 50 if LONG else 1


@pytest.fixture(scope="session", params=["compiled", "uncompiled"])
def engine(request: pytest.FixtureRequest) -> str:
    """The name of the engine under test."""
    name: str = request.param
    if name == "compiled":
        if os.environ.get("PAGEBUDDY_PURE") == "1":
            pytest.skip("PAGEBUDDY_PURE=1: the uncompiled engine alone")
        try:
            importlib.import_module("pagebuddy._compiled")
        except ImportError:
            if os.environ.get("PAGEBUDDY_REQUIRE_COMPILED") == "1":
                raise
            pytest.skip("the engine was not compiled here")
    return name


@pytest.fixture(scope="session")
def module(engine: str) -> str:
    """The module that has the `BuddyAllocator` under test."""
    return "pagebuddy._compiled" if engine == "compiled" else "pagebuddy.allocator"


@pytest.fixture(scope="session")
def Buddy(module: str) -> type[BuddyAllocator]:
    """The `BuddyAllocator` under test."""
    allocator: type[BuddyAllocator] = importlib.import_module(module).BuddyAllocator
    return allocator


@pytest.fixture(scope="session")
def Arena(engine: str) -> type[ChosenArena]:
    """The `Arena` under test."""
    name = "pagebuddy._compiled" if engine == "compiled" else "pagebuddy.uncompiled"
    return type("Arena", (ChosenArena,), {"_engine": importlib.import_module(name)})
