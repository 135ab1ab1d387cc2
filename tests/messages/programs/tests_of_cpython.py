"""CPython's own tests of `multiprocessing.Queue`, with queues of an arena.

python tests_of_cpython.py START_METHOD

Prints how many tests were run.
"""

from __future__ import annotations

import multiprocessing
import sys
import unittest
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from test import _test_multiprocessing

import pagebuddy as pb

# Intentional differences.
DIFFERENT = {
    # There is no feeder thread: `put` itself raises what pickling raises.
    "test_queue_feeder_donot_stop_onexc",
    "test_queue_feeder_on_queue_feeder_error",
    # The same error with another text.
    "test_closed_queue_put_get_exceptions",
    # It looks at the pipe of a `SimpleQueue`.
    "test_closed",
}

ARENAS = []


def queue(maxsize=0):
    """Return a queue, in an arena that processes share."""
    if not ARENAS:
        ARENAS.append(pb.Arena("64 MiB"))
    return ARENAS[0].queue(maxsize=maxsize)


class TestQueue(
    _test_multiprocessing._TestQueue, _test_multiprocessing.ProcessesMixin, unittest.TestCase
):
    """CPython's tests, with queues of an arena for all kinds of queues."""

    Queue = staticmethod(queue)
    JoinableQueue = staticmethod(queue)


class TestSimpleQueue(_test_multiprocessing.TestSimpleQueue):
    """CPython's tests of a queue that tells its receiver when it is empty."""


def main(method):
    multiprocessing.set_start_method(method, force=True)
    # Some tests do not ask the mixin.
    for name in ("Queue", "JoinableQueue", "SimpleQueue"):
        setattr(multiprocessing, name, queue)
    suite = unittest.TestSuite(
        test
        for case in (TestQueue, TestSimpleQueue)
        for test in unittest.defaultTestLoader.loadTestsFromTestCase(case)
        if test.id().rpartition(".")[2] not in DIFFERENT
    )
    done = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    if not done.wasSuccessful():
        sys.exit(1)
    print(f"{done.testsRun} tests")


if __name__ == "__main__":
    main(sys.argv[1])
