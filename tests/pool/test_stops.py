"""Workers that are stopped: the others run all calls, and nothing waits for the stopped one."""

from __future__ import annotations

import os
import signal

import numpy as np

import pagebuddy as pb
from tests.pool import tasks


def test_calls_go_on_while_a_worker_is_stopped_in_its_call(new_pool, meet):
    meeting = meet()
    pool = new_pool(2)
    stopped = pool.submit(meeting.call, np.arange(5000))
    worker = meeting.worker()
    os.kill(worker, signal.SIGSTOP)
    try:
        results = pool.map(tasks.doubled, [np.full(20_000, n) for n in range(40)])
        assert [int(array[0]) for array in results] == list(range(0, 80, 2))
        assert not stopped.done()
    finally:
        os.kill(worker, signal.SIGCONT)
        meeting.let_go()
    assert (stopped.result() == np.arange(5000)).all()


def test_calls_go_on_while_a_worker_is_stopped_that_has_nothing_to_do(new_pool, meet):
    pool = new_pool(2)
    meetings = [meet(name) for name in "ab"]
    for meeting in meetings:
        pool.submit(meeting.call)
    workers = [meeting.worker() for meeting in meetings]
    for meeting in meetings:
        meeting.let_go()
    for worker in workers:
        # It would be woken for a call, and never take it.
        os.kill(worker, signal.SIGSTOP)
        try:
            for n in range(10):
                assert pool.submit(tasks.doubled, n).result() == 2 * n
        finally:
            os.kill(worker, signal.SIGCONT)


def test_a_worker_that_is_killed_while_it_is_stopped_is_replaced(new_pool, meet):
    meeting = meet()
    pool = new_pool(1)
    lost = pool.submit(meeting.call)
    worker = meeting.worker()
    os.kill(worker, signal.SIGSTOP)
    waiting = pool.submit(tasks.worker_id)
    os.kill(worker, signal.SIGKILL)
    assert isinstance(lost.exception(), pb.WorkerDied)
    assert waiting.result() != worker
