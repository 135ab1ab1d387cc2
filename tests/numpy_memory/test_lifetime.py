"""Nothing breaks while arrays of numpy live in an arena: not exit, fork, close or unlink."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal

import pytest

from pagebuddy import Arena as ChosenArena

np = pytest.importorskip("numpy")

N = 20_000

ENDS = {
    "globals": "",
    "inside the block": "arena.numpy_memory().__enter__(); other = np.ones(50_000)",
    "arena deleted": "del arena",
    "closed": "arena.close()",
    "cycle": "cycle = [arena, array]; cycle.append(cycle); del arena, array",
    "frozen": "gc.freeze(); gc.disable()",
    "in builtins": "import builtins; builtins.kept = array",
    "in numpy": "np.kept = array; del array, arena",
    "leaked": "import ctypes; ctypes.pythonapi.Py_IncRef(ctypes.py_object(array))",
    "a thread inside the block": """
import threading
ready = threading.Event()
def work():
    with arena.numpy_memory():
        kept = np.ones(50_000)
        ready.set()
        threading.Event().wait()
threading.Thread(target=work, daemon=True).start()
ready.wait()
""",
    "an atexit hook": """
import atexit
def last():
    with arena.numpy_memory():
        assert (array + 1 == 2).all()
    arena.close()
atexit.register(last)
""",
}


@pytest.mark.parametrize("end", ENDS)
def test_the_interpreter_exits_in_silence(run, end):
    run(f"with arena.numpy_memory():\n    array = np.ones(50_000)\n{ENDS[end]}")


def test_an_array_keeps_the_arena_attached(shared):
    """As a buffer does: `close` closes an object, and the arena ends with what lies in it."""
    other = ChosenArena.attach(shared.name)
    with shared.numpy_memory():
        array = np.arange(N)
        shared.close()
        later = array * 2
    assert other.buffer_of(later).nbytes == 8 * N
    assert array[-1] == N - 1
    del array, later
    gc.collect()
    assert other.stats().used == 0


@pytest.mark.alone
def test_an_arena_ends_with_the_last_array(shared, left_behind):
    name, before = shared.name, left_behind()
    del shared
    arena = ChosenArena.attach(name)
    with arena.numpy_memory():
        array = np.arange(N)
    arena.unlink()
    arena.close()
    del arena
    assert array[-1] == N - 1
    assert left_behind()["mappings"] > 0
    del array
    after = left_behind()
    # The test's own object of the arena was the other one.
    assert after["mappings"] <= before["mappings"]
    assert after["named"] == []


def test_an_array_outlives_the_name(shared):
    with shared.numpy_memory():
        array = np.arange(N)
        assert shared.unlink()
        later = array + 1
    assert shared.buffer_of(later).nbytes == 8 * N
    assert later[-1] == N


def test_a_handler_ends_with_its_last_array(run):
    """Numpy may call it as long as an array lives that was made with it."""
    printed = run("""
        import weakref
        kept = []
        for i in range(100):
            with arena.numpy_memory(70_000 + i):
                kept.append(np.full(20_000, i))
        gc.collect()
        attachment = weakref.ref(arena._attachment)
        arena.close()
        del arena
        assert all((array == i).all() for i, array in enumerate(kept))
        assert attachment() is not None
        for array in kept:
            array.resize(30_000, refcheck=False)
        del kept, array
        gc.collect()
        print(attachment())
        """)
    assert printed == "None\n"


# -- forks ---------------------------------------------------------------------------------------------


def in_child(function):
    """Call a function in a forked child; whether it returned."""
    pid = os.fork()
    if pid == 0:
        try:
            function()
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_child_holds_what_its_parent_held(shared):
    with shared.numpy_memory():
        array = np.arange(N)
    hear, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(hear, 1)
        right = array[-1] == N - 1 and shared.buffer_of(array).nbytes == 8 * N
        os._exit(0 if right else 1)
    del array
    assert shared.stats().n_spans == 1
    os.write(say, b"1")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(hear)
    os.close(say)
    assert shared.reap() == 1
    assert shared.stats().used == 0


def test_a_child_forked_inside_the_block_goes_on_inside(shared):
    with shared.numpy_memory():
        array = np.arange(N)

        def part():
            nonlocal array
            more = array * 2
            assert shared.buffer_of(more).nbytes == 8 * N
            array = None
            shared.verify()
            assert shared.stats().numpy_fallbacks == 0

        assert in_child(part)
        assert shared.reap() == 1
        assert array[-1] == N - 1
    shared.verify()
    assert shared.stats().n_spans == 1


def test_a_child_of_an_arena_for_one_process_uses_memory_of_its_own():
    arena = ChosenArena.over(bytearray(4 << 20))
    with arena.numpy_memory():
        array = np.arange(N)

        def part():
            nonlocal array
            assert array[-1] == N - 1
            more = array * 2
            array = None
            assert more[-1] == 2 * N - 2

        assert in_child(part)
    assert array[-1] == N - 1
    arena.verify()


def test_a_pool_returns_what_its_workers_make(shared):
    with (
        shared.numpy_memory(),
        multiprocessing.get_context("fork").Pool(2) as pool,
    ):
        assert [a.sum() for a in pool.map(np.ones, [N, N + 1])] == [N, N + 1]


def test_a_killed_process_leaves_nothing(shared, effort):
    for _ in range(effort.pick(5, 50)):
        hear, say = os.pipe()
        pid = os.fork()
        if pid == 0:
            with shared.numpy_memory("4 KiB"):
                kept = []
                for i in range(1 << 30):
                    kept.append(np.full(1000 + i % 5000, i))
                    kept = kept[-10:]
                    if i == 100:
                        os.write(say, b"1")
        os.read(hear, 1)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(hear)
        os.close(say)
        shared.reap()
        shared.verify()
        assert shared.stats().used == 0
