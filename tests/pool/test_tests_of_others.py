"""CPython's tests of `ProcessPoolExecutor` pass for a pool of an arena that does not replace workers.

The program lists what is left out, or replaced, and why.
"""

from __future__ import annotations

import importlib.util

import pytest

pytestmark = [
    pytest.mark.one_engine,
    pytest.mark.skipif(
        importlib.util.find_spec("test") is None
        or importlib.util.find_spec("test.test_concurrent_futures") is None,
        reason="CPython's tests of concurrent.futures are not installed with this Python",
    ),
]

# So many at least, for each start method. Later Pythons have more of them.
LEAST = {"as_completed": 5, "process_pool": 17, "init": 2, "wait": 8, "shutdown": 9, "deadlock": 14}


@pytest.mark.parametrize("start", ["fork"])
def test_short_tests_of_cpython(run, start):
    said = run("tests_of_cpython", start, "short")
    assert "OK" in said
    assert int(said.split()[-2]) >= 14


@pytest.mark.soak
@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("part", LEAST)
def test_the_tests_of_cpython(run, start, part):
    said = run("tests_of_cpython", start, part)
    assert "OK" in said
    assert int(said.split()[-2]) >= LEAST[part]
