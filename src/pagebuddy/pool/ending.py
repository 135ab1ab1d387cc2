"""What a pool still refers to at its end: results that nobody read, and the initializer's arguments."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import current_thread
from typing import Any


def at_end_of_workers(pool: Any, call: Callable[[], None]) -> None:
    """Call a function once all workers of a pool have ended, and release the results not read by then.

    This happens in the pool's thread, whether the pool broke or was shut down. It may be called any
    number of times. `call` must not refer to the pool, which would never be collected.
    """
    thread = pool._executor_manager_thread
    name = "_join_executor_internals"
    if not hasattr(thread, name):
        # The name in Python before 3.12.1.
        name = name.lstrip("_")
    if name in vars(thread):
        return
    # Not bound to this thread, which would keep itself alive.
    join = getattr(type(thread), name)
    results = thread.result_queue

    def join_and_release(*args: Any, **options: Any) -> None:
        join(current_thread(), *args, **options)
        try:
            _release(results)
        finally:
            call()

    setattr(thread, name, join_and_release)


def _release(results: Any) -> None:
    """Receive the results that are left in a pipe, and drop them with their buffers."""
    reader = results._reader
    try:
        # A worker may have been killed when it had sent a part of a result.
        os.set_blocking(reader.fileno(), False)
    except OSError:
        # The pipe was closed.
        return
    while True:
        try:
            reader.recv()
        except (EOFError, OSError):
            # There are no more.
            return
        except Exception:
            # What was sent cannot be unpickled.
            continue
