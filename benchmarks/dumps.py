"""Measure `arena.dumps` and `arena.loads`; print a table.

    python -m benchmarks.dumps
    python -m benchmarks.dumps --beside FOLDER    # and what the pagebuddy in this folder takes

The list with a set needs a pickler. Plain pickle, which copies all bytes, is measured as well. Times are
in microseconds: of many short samples the least, because everything else that happens on the machine
only adds to them. With another pagebuddy, processes of both take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pagebuddy import Arena

SAMPLES = 60
CALLS = 20
TURNS = 3
Times = dict[str, list[float]]


def objects_of(arena: Arena) -> dict[str, Any]:
    """What is sent, by its name."""
    arrays = {
        "x": arena.zeros(65536, "u1"),
        "y": arena.zeros((100, 100)),
        "z": arena.zeros(5000, "i4"),
    }
    return {
        "array of 64 KiB": arena.zeros(65536, "u1"),
        "array of 1 MiB": arena.zeros(1 << 20, "u1"),
        "dict of 3 arrays, 5 scalars": arrays | {"i": 1, "f": 2.5, "s": "s", "n": None, "b": True},
        "array of 64 KiB, copied in": np.zeros(65536, "u1"),
        "array of 800 bytes, inline": np.zeros(100),
        "bytes of 1 KiB": bytes(1024),
        "int": 7,
        "list with a set": [arena.zeros(65536, "u1"), {1}],
    }


def least_of(arena: Arena, make: Callable[[], Any], use: Callable[[Any], object]) -> float:
    """The least microseconds of a call with a new argument."""
    found = []
    for _ in range(SAMPLES):
        given = [make() for _ in range(CALLS)]
        start = time.perf_counter()
        results = [use(one) for one in given]
        found.append((time.perf_counter() - start) / CALLS * 1e6)
        del results
        arena.reap(unclaimed_after=0)
    return min(found)


def measured() -> Times:
    """For each object dumps, loads, both, and plain pickle both ways."""
    arena = Arena("256 MiB")
    times: Times = {}
    for name, thing in objects_of(arena).items():

        def both(thing: Any) -> object:
            return arena.loads(arena.dumps(thing))

        def by_pickle(thing: Any) -> object:
            return pickle.loads(pickle.dumps(thing, 5))

        def same(thing: Any = thing) -> Any:
            return thing

        def dumped(thing: Any = thing) -> bytes:
            return arena.dumps(thing)

        calls = (same, arena.dumps), (dumped, arena.loads), (same, both), (same, by_pickle)
        times[name] = [least_of(arena, *call) for call in calls]
    return times


def of_process(folder: str) -> Times:
    """What another process measures with the pagebuddy in a folder."""
    command = [sys.executable, "-m", "benchmarks.dumps", "--json"]
    environment = os.environ | {"PYTHONPATH": folder}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    times: Times = json.loads(done.stdout)
    return times


def least(one: Times, other: Times) -> Times:
    """The least of each time."""
    return {name: [min(pair) for pair in zip(one[name], other[name], strict=True)] for name in one}


def show(title: str, times: Times) -> None:
    """Print a table."""
    print(f"{title:28}   dumps   loads    both  pickle, both ways")
    for name, row in times.items():
        print(f"{name:28} {' '.join(f'{one:7.2f}' for one in row)}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dumps", description=__doc__)
    parser.add_argument(
        "--beside", type=Path, metavar="FOLDER", help="the src of another pagebuddy"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    asked = parser.parse_args()
    if asked.json:
        print(json.dumps(measured()))
        return
    if asked.beside is None:
        show("microseconds", measured())
        return
    own = str(Path(sys.modules[Arena.__module__].__file__ or "").parents[2])
    ours, theirs = of_process(own), of_process(str(asked.beside))
    for _ in range(TURNS - 1):
        ours = least(ours, of_process(own))
        theirs = least(theirs, of_process(str(asked.beside)))
    show("microseconds", ours)
    show(str(asked.beside), theirs)
    print(f"{'ratio of dumps and loads':28}")
    for name, row in ours.items():
        print(f"{name:28} {theirs[name][2] / row[2]:7.1f}")


if __name__ == "__main__":
    main()
