"""Processes that calls start: forks, and pools in workers."""

from __future__ import annotations

import pytest

from tests.pool import tasks
from tests.pool.conftest import wait_for_end


def test_a_call_may_fork_a_child_that_ends(new_pool):
    pool = new_pool(1)
    worker = pool.submit(tasks.worker_id).result()
    assert [pool.submit(tasks.child_exits).result() for _ in range(3)] == [0, 0, 0]
    assert pool.submit(tasks.worker_id).result() == worker


def test_a_child_that_returns_from_the_call_takes_no_calls_and_answers_none(new_pool):
    pool = new_pool(1)
    worker = pool.submit(tasks.worker_id).result()
    child = pool.submit(tasks.child_returns).result()
    assert child > 0
    assert {pool.submit(tasks.worker_id).result() for _ in range(20)} == {worker}
    wait_for_end(child)


def test_a_pool_in_a_worker(new_pool):
    pool = new_pool(1)
    assert list(pool.map(tasks.nested, range(2))) == [0, 2]


@pytest.mark.soak
def test_a_pool_in_a_worker_through_the_same_arena(new_pool, arena):
    pool = new_pool(1)
    assert pool.submit(tasks.nested_through, arena, 3).result() == 30_000
