"""CPython's tests of `multiprocessing.shared_memory` pass for ours."""

from __future__ import annotations

import importlib.util

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("test") is None
    or importlib.util.find_spec("test._test_multiprocessing") is None,
    reason="CPython's tests are not installed",
)


def test_the_tests_of_cpython(run, start):
    said = run("tests_of_cpython", start)
    assert "OK" in said
    assert int(said.split()[-2]) >= 9
