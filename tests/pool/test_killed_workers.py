"""A worker that is killed when it has made handles for a result, and not sent them, leaves none."""

from __future__ import annotations

import fcntl
import gc
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest

import pagebuddy


def result(letters):
    return "x" * letters, np.ones(3000)


def wait_until(is_so):
    while not is_so():
        time.sleep(0.001)


def begin_and_wait(folder):
    (folder / "begun").touch()
    wait_until((folder / "go").exists)


def test_a_killed_worker_leaves_no_handles_of_results_that_it_could_not_send(Arena, tmp_path):
    arena = Arena("4 MiB")
    blocked, over = threading.Event(), threading.Event()

    def block(_):
        # In the pool's thread, which receives no results meanwhile.
        blocked.set()
        over.wait()

    with pagebuddy.ArenaExecutor(1, multiprocessing.get_context("fork"), arena=arena) as pool:
        pool.submit(len, "").result()
        (worker,) = pool._processes.values()
        # The least that the system permits: two results do not fit, and none is sent in parts.
        fcntl.fcntl(pool._result_queue._writer, fcntl.F_SETPIPE_SZ, 4096)
        first = pool.submit(begin_and_wait, tmp_path)
        first.add_done_callback(block)
        wait_until((tmp_path / "begun").exists)
        futures = [pool.submit(result, 2500) for _ in range(2)]
        # The worker can receive both.
        wait_until(pool._work_ids.empty)
        (tmp_path / "go").touch()
        try:
            blocked.wait()
            # This is not one of the pool's.
            data = arena.dumps(np.ones(3000))
            wait_until(lambda: arena.stats().tickets == 3)
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()
        finally:
            over.set()
        assert futures[0].result()[1].sum() == 3000
        with pytest.raises(BrokenProcessPool):
            futures[1].result()
    del futures
    gc.collect()
    assert arena.stats().tickets == 1
    assert arena.loads(data).sum() == 3000
    assert (arena.stats().used, arena.stats().tickets) == (0, 0)
