"""Calls that check what they are given, and note that they ran. Used by the storm in a pool.

Workers import this, and a fork server before it starts them.
"""

from __future__ import annotations

import mmap
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from verification.storm import pattern

MOST_CALLS = 1 << 22
CALL = np.dtype([("begun", "u8"), ("worker", "u4"), ("runs", "u2"), ("ended", "u2")])
# What a call is given and returns: see `Storm.argument` and `work`.
KINDS = ("short", "pause", "pause", "array", "copied array", "array and array", "frame")
LONGEST_PAUSE_MS = 20


class Notes:
    """What calls and workers note, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.workers = folder / "workers"
        self.workers.mkdir(exist_ok=True)
        path = folder / "calls"
        path.touch()
        os.truncate(path, MOST_CALLS * CALL.itemsize)
        with path.open("r+b") as file:
            self.calls: Any = np.frombuffer(mmap.mmap(file.fileno(), 0), CALL)


NOTES: list[Notes] = []


def begin(folder: Path) -> None:
    """In a worker: open the notes, and note who this is."""
    NOTES[:] = [Notes(folder)]
    (NOTES[0].workers / str(os.getpid())).touch()


def work(number: int, kind: str, body: Any) -> Any:
    """A call: check what came, and return something that can be checked."""
    call = NOTES[0].calls[number]
    # In this order: a worker that is killed in between has noted nothing.
    call["begun"] = time.monotonic_ns()
    call["worker"] = os.getpid()
    call["runs"] += 1
    try:
        return answer(number, kind, body)
    finally:
        call["ended"] = 1


def answer(number: int, kind: str, body: Any) -> Any:
    """What a call returns."""
    if kind == "short":
        return number * 3
    if kind == "pause":
        time.sleep(number % LONGEST_PAUSE_MS / 1000)
        return number * 3
    array = body["array"] if kind == "frame" else body
    if not pattern.is_sound(memoryview(array)):
        raise AssertionError(f"the argument of call {number} is not what was sent")
    if kind in ("array", "copied array"):
        return number * 3
    result = np.empty(len(array) + 1, "u1")
    pattern.write(memoryview(result), number)
    return result if kind == "array and array" else {"array": result, "text": "x" * 5000}


def is_right(number: int, kind: str, result: Any) -> bool:
    """Whether a call returned what it should."""
    if isinstance(result, int):
        return result == number * 3
    array = result["array"] if kind == "frame" else result
    return pattern.is_sound(memoryview(array)) and int(array[:8].view("u8")[0]) == number
