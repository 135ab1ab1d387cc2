"""joblib's own tests of `Parallel`, with the backend "pagebuddy" in place of "loky".

python tests_of_joblib.py short|all

`short` are the tests of those things that a backend does. Prints how many tests were run.
"""

from __future__ import annotations

import os
import sys
import tempfile

import joblib.parallel
import pytest

from pagebuddy.adapters.joblib import ArenaBackend

# Intentional differences: the tests that are left out, each with its reason.
DIFFERENT = (
    # They ask for the name of the class.
    "test_backend_context_manager",
    "test_backend_hinting_and_constraints",
    "test_nested_parallelism_limit",
    # They want arrays to arrive as memory maps of files.
    "test_auto_memmap_on_arrays_from_generator",
    "test_memmapping_leaks",
    # A worker of another backend has to import the adapter before it uses this one by its name.
    "back_compat_backend-pagebuddy",
)

SHORT = (
    "test_error_capture",
    "test_parallel_timeout",
    "test_exception_dispatch",
    "test_error_in_task_iterator",
    "test_multiple_generator_call_managed",
    "test_parallel_unordered_generator_returns_fastest",
    "test_nested_loop_with_exception",
    "test_loky_reuse_workers",
)


class Counted:
    """Counts tests that passed."""

    n = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.n += report.when == "call" and report.passed


def main(part: str) -> None:
    joblib.parallel.BACKENDS["loky"] = ArenaBackend
    wanted = f"not ({' or '.join(DIFFERENT)})"
    if part == "short":
        wanted = f"loky and ({' or '.join(SHORT)}) and {wanted}"
    counted = Counted()
    # Where no settings for pytest are found.
    os.chdir(tempfile.mkdtemp())
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:warnings", "--pyargs", "-k", wanted]
    status = pytest.main([*options, "joblib.test.test_parallel"], [counted])
    print(f"{counted.n} tests")
    sys.exit(status)


if __name__ == "__main__":
    main(*sys.argv[1:])
