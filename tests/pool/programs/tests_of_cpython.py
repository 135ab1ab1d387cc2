"""CPython's own tests of `ProcessPoolExecutor`, with a pool of an arena.

python tests_of_cpython.py START_METHOD PART

A part is one of CPython's files, or `short`: the tests of all files that end at once. Prints how many
tests were run. In the end nothing may be left in the arena.
"""

# ruff: noqa: PT009, PT027  # cases of unittest
from __future__ import annotations

import gc
import importlib
import inspect
import multiprocessing
import os
import re
import sys
import threading
import time
import unittest
import warnings
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from pickle import PicklingError, UnpicklingError

import pagebuddy as pb

PARTS = ("as_completed", "process_pool", "init", "wait", "shutdown", "deadlock")

# They take less than a tenth of a second, as soon as there are workers.
SHORT = {
    *("test_submit", "test_submit_keyword", "test_map", "test_map_exception", "test_map_chunksize"),
    *("test_shutdown_race_issue12456", "test_no_stale_references", "test_free_reference"),
    *("test_max_workers_negative", "test_traceback", "test_no_timeout", "test_all_completed"),
    *("test_run_after_shutdown", "test_hang_gh94440", "test_context_manager_shutdown"),
}

# Intentional differences: the tests that are left out, each with its reason.
DIFFERENT = {
    # It lets the start of the second thread of a pool fail, and there is no second one.
    "test_python_finalization_error",
    # It fills the pipe that wakes the thread of Python's pool.
    "test_gh105829_should_not_deadlock_if_wakeup_pipe_full",
    # They replace the `Process` objects in the pool's private dictionary by mocks.
    "test_force_shutdown_workers_invalid_op",
    "test_force_shutdown_workers",
}

# What tests must not look at: how Python's pool is made.
PRIVATE = re.compile(r"executor\._[a-z]\w*|\be\._[a-z]\w*|_ExecutorManagerThread")

# Where Python's own pool breaks, and this one fails the call alone.
FAIL_ALONE = {
    "test_error_at_task_unpickle": UnpicklingError,
    "test_exit_at_task_unpickle": SystemExit,
    "test_error_during_result_unpickle_in_result_handler": UnpicklingError,
    "test_exit_during_result_unpickle_in_result_handler": SystemExit,
}

ARENAS = []


def the_arena():
    """The arena of all pools."""
    if not ARENAS:
        ARENAS.append(pb.Arena("64 MiB"))
    return ARENAS[0]


class ProcessPoolExecutor(pb.ArenaExecutor):
    """A pool that breaks when a worker dies, as Python's own does."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, arena=the_arena(), restart=False, **options)


class Replaced:
    """Tests that look at private attributes of Python's pool, by public means.

    `_processes` is replaced by `multiprocessing.active_children()`, `_executor_manager_thread` by
    `threading.enumerate()`, `_broken` by a call of `submit`, `_mp_context` by the class of the workers,
    and `_max_workers` by the number that was asked for. `_call_queue` has no thread to be joined.
    """

    def is_fork(self):
        return self.get_context().get_start_method() == "fork"

    def test_killed_child(self):
        sleeping = self.executor.submit(time.sleep, 3)
        worker = next(iter(multiprocessing.active_children()))
        worker.terminate()
        self.assertRaises(BrokenProcessPool, sleeping.result)
        self.assertRaises(BrokenProcessPool, self.executor.submit, pow, 2, 8)

    def test_saturation(self):
        # They send a semaphore, which cannot be pickled, so that no call runs.
        for _ in range(3 * self.worker_count):
            self.executor.submit(time.sleep, 0.2)
        self.assertEqual(len(multiprocessing.active_children()), self.worker_count)

    def test_idle_process_reuse_one(self):
        if self.is_fork():
            self.skipTest("all workers are forked at once")
        for _ in range(3):
            self.executor.submit(abs, -1).result()
        self.assertEqual(len(multiprocessing.active_children()), 1)

    def test_idle_process_reuse_multiple(self):
        if self.is_fork():
            self.skipTest("all workers are forked at once")
        for waits in (True, False, True, False, True, False):
            future = self.executor.submit(abs, -1)
            if waits:
                future.result()
        self.assertLessEqual(len(multiprocessing.active_children()), 3)

    def test_max_tasks_per_child(self):
        context = self.get_context()
        if self.is_fork():
            with self.assertRaises(ValueError):
                self.executor_type(1, mp_context=context, max_tasks_per_child=3)
            return
        with self.executor_type(1, mp_context=context, max_tasks_per_child=3) as pool:
            pids = [pool.submit(os.getpid).result() for _ in range(4)]
        self.assertEqual(len(set(pids[:3])), 1)
        self.assertNotEqual(pids[0], pids[3])

    def test_max_tasks_per_child_defaults_to_spawn_context(self):
        with self.executor_type(1, max_tasks_per_child=3) as pool:
            pool.submit(abs, -1).result()
            spawned = multiprocessing.get_context("spawn").Process
            self.assertTrue(any(isinstance(x, spawned) for x in multiprocessing.active_children()))

    def test_processes_terminate(self):
        for _ in range(3):
            self.executor.submit(time.sleep, 0.5)
        expected = self.worker_count if self.is_fork() else 3
        self.assertEqual(len(multiprocessing.active_children()), expected)
        self.executor.shutdown()
        self.assertEqual(multiprocessing.active_children(), [])

    def test_context_manager_shutdown(self):
        with self.executor_type(5, mp_context=self.get_context()) as pool:
            self.assertEqual(list(pool.map(abs, range(-2, 2))), [2, 1, 0, 1])
        self.assertEqual(multiprocessing.active_children(), [])

    def test_del_shutdown(self):
        self.ends_by(lambda pools: pools.clear())

    def test_shutdown_no_wait(self):
        self.ends_by(lambda pools: pools[0].shutdown(wait=False))

    def ends_by(self, end):
        """Map, end a pool without waiting, and wait for its threads and workers."""
        before = set(threading.enumerate())
        pools = [self.executor_type(5, mp_context=self.get_context())]
        results = pools[0].map(abs, range(-5, 5))
        end(pools)
        gc.collect()
        for thread in set(threading.enumerate()) - before:
            thread.join()
        for worker in multiprocessing.active_children():
            worker.join()
        self.assertEqual(list(results), [5, 4, 3, 2, 1, 0, 1, 2, 3, 4])

    def test_initializer(self):
        original = super().test_initializer
        if "_broken" not in inspect.getsource(original):
            original()
            return
        with self._assert_logged("ValueError: error in initializer"):
            try:
                future = self.executor.submit(abs, -1)
            except BrokenProcessPool:
                pass
            else:
                self.assertRaises(BrokenProcessPool, future.result)
            self.assertRaises(BrokenProcessPool, self.executor.submit, abs, -1)

    def _fail_on_deadlock(self, executor):
        for worker in multiprocessing.active_children():
            worker.kill()
        executor.shutdown(wait=True)
        self.fail("deadlock")

    def _check_crash(self, error, *arguments, **options):
        error = FAIL_ALONE.get(self._testMethodName, error)
        super()._check_crash(error, *arguments, **options)

    def test_shutdown_deadlock_pickle(self):
        before = set(threading.enumerate())
        with self.executor_type(2, mp_context=self.get_context()) as pool:
            pool.submit(abs, -1).result()
            future = pool.submit(id, Unpicklable())
            pool.shutdown(wait=False)
            self.assertRaises(PicklingError, future.result)
        for thread in set(threading.enumerate()) - before:
            thread.join()


class Unpicklable:
    """What raises an error when it is pickled."""

    def __reduce__(self):
        raise PicklingError("cannot be pickled")


def script(run):
    """Let the scripts that tests run use this pool, not Python's own."""
    ours = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    ours += "            from tests_of_cpython import ProcessPoolExecutor"

    def run_with_ours(option, text, *arguments):
        theirs = "from concurrent.futures import ProcessPoolExecutor"
        assert theirs in text
        return run(option, text.replace(theirs, ours), *arguments)

    return run_with_ours


def collected(cleanup):
    """Collect garbage before threads are counted: a pool is in a cycle with its thread, which ended."""

    def clean_up(*key):
        gc.collect()
        cleanup(*key)

    return clean_up


def modules(parts):
    """The modules of CPython that have these parts. Before Python 3.12 there was one for all."""
    futures.ProcessPoolExecutor = ProcessPoolExecutor
    helper = importlib.import_module("test.support.threading_helper")
    helper.threading_cleanup = collected(helper.threading_cleanup)
    package = importlib.import_module("test.test_concurrent_futures")
    if not hasattr(package, "__path__"):
        return [package]
    return [importlib.import_module(f"{package.__name__}.test_{part}") for part in parts]


# How the classes of a part are called.
CLASSES = {
    "as_completed": ("AsCompleted",),
    "process_pool": ("ProcessPoolExecutor",),
    "init": ("Initializer", "FailingInitializer"),
    "wait": ("Wait",),
    "shutdown": ("ProcessPoolShutdown",),
    "deadlock": ("ExecutorDeadlock",),
}


def tests(method, parts):
    """The tests of a start method, with ours in place of theirs."""
    prefix = f"ProcessPool{method.capitalize()}"
    wanted = {f"{prefix}{name}Test" for part in parts for name in CLASSES[part]}
    for module in modules(parts):
        if hasattr(module, "assert_python_ok"):
            module.assert_python_ok = script(module.assert_python_ok)
        for name in sorted(wanted & set(vars(module))):
            theirs = getattr(module, name)
            ours = type(name, (Replaced, theirs), {"__module__": module.__name__})
            # Tests send their own methods to workers, which find them by this name.
            setattr(module, name, ours)
            for test in unittest.defaultTestLoader.getTestCaseNames(theirs):
                yield ours(test)
        # It runs another one, and looks at what that left in the resource tracker.
        resources = getattr(module, "FailingInitializerResourcesTest", None)
        if "init" in parts and hasattr(resources, f"test_{method}"):
            yield resources(f"test_{method}")


def looks_inside(test):
    """Whether a test looks at private attributes of a pool."""
    return PRIVATE.search(inspect.getsource(getattr(test, name_of(test)))) is not None


def name_of(test):
    return test.id().rpartition(".")[2]


def main(method, part):
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    if part == "deadlock":
        # Workers and the system print why a process ended.
        os.dup2(1, 2)
    multiprocessing.set_start_method(method, force=True)
    parts = PARTS if part == "short" else (part,)
    suite = unittest.TestSuite()
    for test in tests(method, parts):
        name = name_of(test)
        if name in DIFFERENT or (part == "short" and name not in SHORT):
            continue
        assert not looks_inside(test), f"{name} looks at private attributes: replace it"
        suite.addTest(test)
    done = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    if not done.wasSuccessful():
        sys.exit(1)
    arena = the_arena()
    gc.collect()
    arena.reap()
    stats = arena.stats()
    assert (stats.used, stats.tickets, stats.processes) == (0, 0, 1), (stats, arena.processes())
    print(f"{done.testsRun} tests")


if __name__ == "__main__":
    main(*sys.argv[1:])
