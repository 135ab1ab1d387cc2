"""Run tests of other projects while numpy allocates everything in an arena: outcomes, one a line.

    python tests_inside.py inside|outside ARGUMENTS OF PYTEST

With "outside" numpy uses its own memory. The last line says how many buffers are left in which no
live array is, and how many arrays got other memory.
"""

import contextlib
import gc
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from pagebuddy import Arena

# Of the tests: without it, names would depend on the current folder.
ROOT = str(Path(np.__file__).parents[1])


class Outcomes:
    """Prints the outcome of each test that did not pass."""

    def pytest_runtest_logreport(self, report):
        if report.failed:
            # After the dots of those that passed.
            print("\nfailed", report.nodeid, flush=True)

    def pytest_sessionfinish(self, session):
        print("ran", session.testscollected, flush=True)


def without_array(arena):
    """The offsets of buffers without an array that the garbage collector finds."""
    gc.collect()
    # Some tests fork.
    arena.reap()
    offsets = {row.offset for row in arena.buffers()}
    seen, left = set(), [gc.get_objects()]
    while left:
        for thing in left.pop():
            if id(thing) in seen:
                continue
            seen.add(id(thing))
            if isinstance(thing, np.ndarray):
                base, _ = arena._attachment.extent
                address = np.ndarray.__array_interface__.__get__(thing)["data"][0]
                offsets -= {(address - base) // arena.page_size * arena.page_size}
                # The garbage collector knows nothing that an array refers to.
                left.append([np.ndarray.base.__get__(thing)])
                if np.ndarray.dtype.__get__(thing).char == "O":
                    left.append(np.ndarray.tolist(np.ndarray.ravel(thing)))
            elif isinstance(thing, np.void):
                left.append([thing.base])
            elif isinstance(thing, memoryview):
                left.append([thing.obj])
            left.append(gc.get_referents(thing))
    return offsets


if __name__ == "__main__":
    arena = Arena("1 GiB")
    inside = sys.argv[1] == "inside"
    with arena.numpy_memory(1) if inside else contextlib.nullcontext():
        options = ["-q", "-c", os.devnull, "--rootdir", ROOT, "-p", "no:cacheprovider", "--tb=no"]
        pytest.main([*options, *sys.argv[2:]], plugins=[Outcomes()])
    arena.verify()
    print("left", len(without_array(arena)), arena.stats().numpy_fallbacks)
