"""Ctrl-C: it goes to the program and to its workers, and the pool works afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pool import tasks

PROGRAM = Path(__file__).parent / "programs" / "interrupted_pool.py"


@pytest.mark.parametrize(
    ("start", "part"),
    [
        ("fork", "map"),
        ("spawn", "result"),
        *(
            pytest.param(start, part, marks=pytest.mark.soak)
            for start in ("fork", "spawn", "forkserver")
            for part in ("result", "map", "submit")
        ),
    ],
)
def test_ctrl_c_while_a_program_waits_for_its_pool(start, part, tmp_path):
    program = subprocess.Popen(
        [sys.executable, PROGRAM, start, part, tmp_path],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with program:
        assert program.stdout.readline() == "waiting\n"
        # As a terminal does: all processes of the group.
        os.killpg(program.pid, signal.SIGINT)
        assert program.stdout.read().split() == ["interrupted", "8", "nothing", "left"]
    assert program.returncode == 0


def test_sigint_for_a_worker_in_a_call_is_the_exception_of_that_call(new_pool, meet):
    meeting = meet()
    pool = new_pool(1)
    future = pool.submit(meeting.call)
    os.kill(meeting.worker(), signal.SIGINT)
    error = future.exception()
    # A program may choose that workers ignore it.
    assert isinstance(error, KeyboardInterrupt), error
    assert pool.submit(tasks.doubled, 4).result() == 8


def test_sigint_for_an_idle_worker_changes_nothing(new_pool, capfd):
    pool = new_pool(1)
    worker = pool.submit(tasks.worker_id).result()
    for _ in range(3):
        os.kill(worker, signal.SIGINT)
        assert pool.submit(tasks.doubled, 4).result() == 8
    pool.shutdown()
    assert capfd.readouterr().err == ""
