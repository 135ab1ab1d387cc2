"""Loops behave as with joblib's own backend loky."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from pickle import PicklingError

import numpy as np
import pytest

pytest.importorskip("joblib")

import joblib
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError

import pagebuddy as pb
from pagebuddy.adapters.joblib import ArenaBackend
from tests.adapters.joblib import tasks


def test_the_backend_is_chosen_by_its_name(loop, arena):
    with parallel_config(backend="pagebuddy", n_jobs=2, arena=arena):
        assert isinstance(Parallel()._backend, ArenaBackend)
        assert Parallel()(delayed(pow)(n, 2) for n in range(20)) == [n * n for n in range(20)]


def test_an_anonymous_arena_is_made_on_first_use(loop):
    assert Parallel(2, backend="pagebuddy")(delayed(pow)(n, 2) for n in range(3)) == [0, 1, 4]
    with parallel_config(backend="pagebuddy", n_jobs=2, size="64 MiB"):
        [result, _] = Parallel()(delayed(np.ones)(100_000) for _ in range(2))
    assert result.sum() == 100_000


def test_an_arena_can_be_given_by_its_name(loop):
    name = f"pagebuddy-joblib-{os.getpid()}"
    named = pb.Arena.create(name, "32 MiB")
    try:
        [result, _] = loop((delayed(np.ones)(100_000) for _ in range(2)), arena=name)
        assert named.buffer_of(result).nbytes == 800_000
    finally:
        named.unlink()


def test_workers_are_used_again(loop):
    pids = set(loop((delayed(tasks.pid)(n) for n in range(20)), batch_size=1))
    again = set(loop((delayed(tasks.pid)(n) for n in range(20)), batch_size=1))
    assert os.getpid() not in pids
    assert again <= pids or len(again | pids) <= 2


def test_negative_numbers_of_jobs_count_from_all_processors(loop):
    backend = ArenaBackend(nesting_level=0)
    assert backend.effective_n_jobs(-1) == joblib.cpu_count()
    assert backend.effective_n_jobs(-2) == max(joblib.cpu_count() - 1, 1)
    with pytest.raises(ValueError, match="n_jobs == 0"):
        backend.effective_n_jobs(0)
    assert loop([delayed(os.getpid)()], n_jobs=1) == [os.getpid()]


@pytest.mark.parametrize("return_as", ["generator", "generator_unordered"])
def test_results_are_generated(loop, return_as):
    results = loop(
        (delayed(tasks.scaled)(np.ones(20_000), n) for n in range(8)), return_as=return_as
    )
    sums = [result.sum() for result in results]
    assert sorted(sums) == [20_000 * n for n in range(8)]
    if return_as == "generator":
        assert sums == sorted(sums)


def test_an_exception_of_a_task_is_raised_with_its_traceback(loop):
    with pytest.raises(ZeroDivisionError) as caught:
        loop(delayed(tasks.failing)(n) for n in range(5))
    assert "in failing\n    raise ZeroDivisionError(number)" in str(caught.value.__cause__)
    assert loop([delayed(len)("four")] * 2) == [4, 4]


def test_an_exception_of_a_class_that_cannot_be_imported_is_raised(loop):
    class Own(Exception):
        pass

    def fail():
        raise Own(5)

    with pytest.raises(Own):
        loop(delayed(fail)() for _ in range(2))


def test_a_killed_worker_is_told_as_by_loky(loop):
    with pytest.raises(TerminatedWorkerError, match="SIGKILL") as caught:
        loop(delayed(tasks.killed)(n) for n in range(2))
    assert isinstance(caught.value, BrokenProcessPool)
    assert isinstance(caught.value.__cause__, pb.WorkerDied)
    assert loop([delayed(len)("four")] * 2) == [4, 4]


def test_a_timeout_ends_the_workers(loop, tmp_path):
    with pytest.raises(multiprocessing.TimeoutError):
        loop((delayed(tasks.waiting)(tmp_path / "pids") for _ in range(2)), timeout=0.5)
    if (tmp_path / "pids").exists():
        assert_ended(int(pid) for pid in (tmp_path / "pids").read_text().split())
    assert loop([delayed(len)("four")] * 2) == [4, 4]


def test_an_interrupt_ends_the_workers(loop, tmp_path):
    pids = tmp_path / "pids"

    def interrupt():
        while not pids.exists() or len(pids.read_text().splitlines()) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        loop(delayed(tasks.waiting)(pids) for _ in range(2))
    thread.join()
    assert_ended(int(pid) for pid in pids.read_text().split())


def assert_ended(pids):
    """Wait until these processes have ended; the test's timeout ends this."""
    for pid in pids:
        while os.path.exists(f"/proc/{pid}"):
            time.sleep(0.01)


def test_what_cannot_be_pickled_is_refused_as_by_loky(loop):
    with pytest.raises(PicklingError, match="Could not pickle the task") as caught:
        loop(delayed(len)(tasks.NotPicklable()) for _ in range(2))
    assert "this cannot be pickled" in str(caught.value.__cause__)
    with pytest.raises(BrokenProcessPool, match="failed to un-serialize") as caught:
        loop(delayed(id)(tasks.NotUnpicklable()) for _ in range(2))
    assert "ZeroDivisionError: 5" in str(caught.value.__cause__)
    with pytest.raises(BrokenProcessPool, match="failed to un-serialize"):
        loop(delayed(tasks.NotUnpicklable)() for _ in range(2))
    with pytest.raises(ValueError, match="this cannot be pickled"):
        loop(delayed(tasks.NotPicklable)() for _ in range(2))
    assert loop([delayed(len)("four")] * 2) == [4, 4]


def test_loops_in_loops_are_threads_and_then_none(loop):
    [names, _] = loop(delayed(tasks.nested)(2) for _ in range(2))
    assert names == ["ThreadingBackend", "SequentialBackend", "SequentialBackend"]


def test_threads_of_libraries_are_limited(loop, arena, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    wanted = [str(max(joblib.cpu_count() // 2, 1))] * 2
    assert loop(delayed(tasks.variable)("OMP_NUM_THREADS") for _ in range(2)) == wanted
    with parallel_config(backend="pagebuddy", n_jobs=2, inner_max_num_threads=3, arena=arena):
        assert Parallel()(delayed(tasks.variable)("OMP_NUM_THREADS") for _ in range(2)) == ["3"] * 2


def test_two_loops_can_use_the_workers_at_the_same_time(loop):
    first = loop((delayed(pow)(n, 2) for n in range(50)), return_as="generator")
    assert loop(delayed(pow)(n, 3) for n in range(50)) == [n**3 for n in range(50)]
    assert list(first) == [n * n for n in range(50)]


def test_loops_of_several_sizes_can_be_open_at_the_same_time(loop, arena):
    with (
        Parallel(2, backend="pagebuddy", arena=arena) as two,
        Parallel(3, backend="pagebuddy", arena=arena) as three,
    ):
        for _ in range(2):
            assert two(delayed(len)("four") for _ in range(4)) == [4] * 4
            assert three(delayed(len)("four") for _ in range(4)) == [4] * 4


def test_a_loop_says_what_it_does(loop, capsys):
    loop((delayed(pow)(n, 2) for n in range(4)), verbose=10)
    said = capsys.readouterr().err
    assert "Using backend ArenaBackend with 2 concurrent workers" in said
    assert "4 out of   4" in said


def test_workers_begin_with_an_initializer(loop):
    options = {"initializer": tasks.begin, "initargs": (lambda: 5,)}
    assert loop([delayed(lambda: tasks.kept(0)())()] * 2, **options) == [5, 5]


def test_what_is_no_arena_is_refused(loop):
    with pytest.raises(TypeError, match="it must be an Arena, its name"):
        loop([delayed(len)("four")] * 2, arena=5)


# Workers must not import it. Nor must pytest, so it is not in a file.
WITHOUT_GUARD = """
import numpy as np
from joblib import Parallel, delayed, parallel_config

import pagebuddy.adapters.joblib


class Doubler:
    def __init__(self, n):
        self.n = n

    def double(self):
        return Doubler(self.n * 2)


class OwnError(Exception):
    pass


def fail():
    raise OwnError


with parallel_config(backend="pagebuddy", n_jobs=2):
    doubled = Parallel()(delayed(Doubler.double)(Doubler(n)) for n in range(3))
    [array, _] = Parallel()(delayed(np.full)(100_000, 5.0) for _ in range(2))
    try:
        Parallel()(delayed(fail)() for _ in range(2))
    except OwnError:
        caught = "caught"
print([each.n for each in doubled], array.mean(), caught)
assert all(isinstance(each, Doubler) for each in doubled)
"""


def test_a_program_without_a_main_guard_works(tmp_path):
    (tmp_path / "program.py").write_text(WITHOUT_GUARD)
    done = subprocess.run(
        [sys.executable, "-W", "error", tmp_path / "program.py"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.stdout, done.stderr) == ("[0, 2, 4] 5.0 caught\n", "")


WAITING = """
import pathlib, sys
from joblib import Parallel, delayed
import pagebuddy.adapters.joblib
from tests.adapters.joblib import tasks

Parallel(2, backend="pagebuddy")(delayed(tasks.waiting)(sys.argv[1]) for _ in range(2))
"""


def test_workers_end_when_their_process_is_killed(tmp_path):
    pids = tmp_path / "pids"
    program = subprocess.Popen([sys.executable, "-c", WAITING, pids])
    while not pids.exists() or len(pids.read_text().splitlines()) < 2:
        time.sleep(0.01)
    program.kill()
    program.wait()
    assert_ended(int(pid) for pid in pids.read_text().split())
