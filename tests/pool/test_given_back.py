"""Calls that come back while another thread is still sending them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection

import pagebuddy as pb
from pagebuddy.pool.sender import Sender


def die_twice(path):
    """Kill the worker, but not the third."""
    with open(path, "ab", buffering=0) as file:
        file.write(b"x")
        if os.fstat(file.fileno()).st_size < 3:
            os.kill(os.getpid(), signal.SIGKILL)
    return "done"


class Pause:
    """Stops the thread that puts a call again, before or after the put, while another one acts."""

    def __init__(self, act, is_put):
        self.act = act
        self.is_put = is_put
        self.was_reached = False

    def __call__(self, frame, event, arg):
        return self.step if frame.f_code is Sender._put.__code__ else None

    def step(self, frame, event, arg):
        values = frame.f_locals
        is_again = values["source"] is values["self"].returned
        is_there = is_again and bool(values["batch"].sent) == self.is_put
        if event == "line" and is_there and not self.was_reached:
            self.was_reached = True
            thread = threading.Thread(target=self.act)
            thread.start()
            thread.join()
        return self.step


def new_pool(pause, folder):
    """A pool with one worker whose thread is stopped, and a call that kills its first two workers."""
    threading.settrace(pause)
    try:
        context = multiprocessing.get_context("forkserver")
        pool = pb.ArenaExecutor(1, context, arena=pb.Arena("4 MiB"), retries=2)
        return pool, pool.submit(die_twice, folder / "runs")
    finally:
        threading.settrace(None)


def test_a_call_that_comes_back_before_its_sender_is_done_is_sent_again(tmp_path):
    def look_after():
        connection.wait(pool._dispatcher.crew.sentinels())
        pool._dispatcher.crew.look_after()

    pause = Pause(look_after, is_put=True)
    pool, future = new_pool(pause, tmp_path)
    try:
        # The pool's thread does it all: a thread that waits in `result` would help.
        assert not wait([future], timeout=30).not_done
        assert future.result() == "done"
        assert pause.was_reached
    finally:
        pool.kill_workers()
        pool.shutdown()


def test_a_call_that_is_sent_while_its_pool_breaks_does_not_keep_the_pool_open(tmp_path):
    pause = Pause(lambda: pool.kill_workers(), is_put=False)
    pool, future = new_pool(pause, tmp_path)
    wait([future])
    ending = threading.Thread(target=pool.shutdown, daemon=True)
    ending.start()
    ending.join(30)
    assert not ending.is_alive()
    assert isinstance(future.exception(), BrokenProcessPool)
    assert pause.was_reached


def test_uncompiled_no_call_is_taken_back_from_a_worker_that_may_start_it(Arena, engine):
    context = multiprocessing.get_context("fork")
    with pb.ArenaExecutor(1, context, arena=Arena("4 MiB")) as pool:
        pool.submit(len, "").result()
        # As of a worker that was stopped before it started its call.
        row = pool._dispatcher.rings.progress(0)
        row.begin(1000, 1)
        crew = pool._dispatcher.crew
        looks = 0
        while looks < 3:
            # A call does not look while a thread of the pool does.
            before = crew._looked
            crew.look_after()
            looks += crew._looked != before
        assert row.read() == (1000, 0, 1 if engine == "uncompiled" else 0)
