"""A process that leaves a segment behind: python leave.py SIZE. Prints its name."""

from __future__ import annotations

import os
import sys
from multiprocessing import resource_tracker

from pagebuddy import shared_memory

shared_memory.PREFIX = os.environ.get("PAGEBUDDY_TEST_SHM", shared_memory.PREFIX)


def main(size):
    segment = shared_memory.SharedMemory(create=True, size=size)
    segment.buf[:5] = b"hello"
    view = segment.buf[5:]
    assert resource_tracker._resource_tracker._fd is None
    print(segment.name, flush=True)
    return view


if __name__ == "__main__":
    kept = main(int(sys.argv[1]))
