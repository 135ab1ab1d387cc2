"""What workers run in the tests of joblib's backend."""

from __future__ import annotations

import os
import signal
import threading

import joblib
import numpy as np

import pagebuddy.adapters.joblib as adapter

KEPT = []


def seen(array):
    """How a task sees an array: its class, whether it is writable, and the offset of its buffer."""
    arena = adapter._worker_arena
    try:
        offset = arena.buffer_of(array).offset
    except ValueError:
        offset = None
    return type(array), array.flags.writeable, offset


def stored(array):
    array[0] = 7
    return array[0]


def scaled(array, factor):
    return array * factor


def offset_of_result(array):
    """Make a large array; return it, and where it is."""
    made = array * 2
    return made, adapter._worker_arena.buffer_of(made).offset


def failing(number):
    raise ZeroDivisionError(number)


def killed(number):
    os.kill(os.getpid(), signal.SIGKILL)


def waiting(path):
    """Say who waits, and wait until the process is killed."""
    with open(path, "a") as file:
        print(os.getpid(), file=file)
    threading.Event().wait()


def pid(number):
    return os.getpid()


def variable(name):
    return os.environ.get(name)


def nested(depth):
    """The backends of nested loops."""
    backend, _ = joblib.parallel.get_active_backend()
    name = type(backend).__name__
    if not depth:
        return [name]
    [inner, _] = joblib.Parallel(n_jobs=2)(joblib.delayed(nested)(depth - 1) for _ in range(2))
    return [name, *inner]


def ended(meeting):
    """End as this process's parent does."""
    raise KeyboardInterrupt


def of_objects(n):
    return np.array([{"n": n}, None] * n)


class NotPicklable:
    def __reduce__(self):
        raise ValueError("this cannot be pickled")


class NotUnpicklable:
    def __reduce__(self):
        return failing, (5,)


def begin(value):
    KEPT.append(value)


def kept(_):
    return KEPT[-1]


def seen_alone(array):
    """How a task of another backend sees an array: its class, whether it is writable, its last item."""
    return type(array), array.flags.writeable, array[-1]


def first(buffer):
    return bytes(buffer.view[:4])
