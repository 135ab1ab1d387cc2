"""CPython's own tests of `multiprocessing.shared_memory`, with our module in its place.

python tests_of_cpython.py START_METHOD

Prints how many tests were run.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.shared_memory
import os
import sys
import unittest
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from test import _test_multiprocessing

from pagebuddy import shared_memory

# Intentional differences.
DIFFERENT = {
    # They start a resource tracker and look at what it says: there is none, and nothing is removed
    # when a process ends.
    "test_shared_memory_cleaned_after_process_termination",
    "test_shared_memory_tracking",
    "test_shared_memory_untracking",
    # Managers of `multiprocessing` make segments of the original class in their server.
    "test_shared_memory_SharedMemoryServer_ignores_sigint",
    "test_shared_memory_SharedMemoryManager_reuses_resource_tracker",
    "test_shared_memory_SharedMemoryManager_basics",
}


class TestSharedMemory(
    _test_multiprocessing._TestSharedMemory,
    _test_multiprocessing.ProcessesMixin,
    unittest.TestCase,
):
    """CPython's tests."""


def substitute():
    """Put our module where these tests look for the original, also where they patch it."""
    shared_memory.PREFIX = os.environ["PAGEBUDDY_TEST_SHM"]
    sys.modules["multiprocessing.shared_memory"] = shared_memory
    multiprocessing.shared_memory = shared_memory
    _test_multiprocessing.shared_memory = shared_memory


# In spawned processes as well, and not where this file is only read.
if __name__ in ("__main__", "__mp_main__"):
    substitute()


def main(method):
    multiprocessing.set_start_method(method, force=True)
    suite = unittest.TestSuite(
        test
        for test in unittest.defaultTestLoader.loadTestsFromTestCase(TestSharedMemory)
        if test.id().rpartition(".")[2] not in DIFFERENT
    )
    done = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    if not done.wasSuccessful():
        sys.exit(1)
    print(f"{done.testsRun} tests")


if __name__ == "__main__":
    main(sys.argv[1])
