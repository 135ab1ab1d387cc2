"""Problems of other projects with the life of shared memory, each as a test. Numbers are issues."""

from __future__ import annotations

import os
from pathlib import Path

from pagebuddy.memory.named import FOLDER


def used(arena):
    return arena.stats().used


def test_the_exit_of_an_attached_process_unlinks_nothing(silent, Arena, run, name):
    """cpython 82300, 129999."""
    arena = Arena.create(name, "1 MiB", lock="file")
    arena.alloc(5, keep="weights").view[:] = b"hello"
    program = """
        import sys, pagebuddy
        print(bytes(pagebuddy.Arena.attach(sys.argv[1])["weights"].view))
    """
    for _ in range(3):
        assert run(program, name) == "b'hello'\n"
    assert bytes(Arena.attach(name)["weights"].view) == b"hello"


def test_an_exit_with_live_buffers_prints_nothing(run, name):
    """cpython 116849; vllm 8933, 8803; verl 2938; shared-memory-dict 26, 55."""
    said = run(
        """
        import sys, threading, pagebuddy
        anonymous = pagebuddy.Arena("1 MiB")
        named = pagebuddy.Arena.create(sys.argv[1], "1 MiB")
        buffers = [arena.alloc(5000) for arena in (anonymous, named)]
        views = [buffer.view for buffer in buffers]
        handle = buffers[0].__reduce__()
        itself = [views]
        itself.append(itself)
        waiting = threading.Thread(target=threading.Event().wait, args=buffers[1:0], daemon=True)
        waiting.buffers = buffers
        waiting.start()
        print(sorted(m for m in sys.modules if "resource_tracker" in m))
        """,
        name,
    )
    assert said == "[]\n"


def test_forks_do_not_involve_a_resource_tracker(arena, start):
    """cpython 96971: a fork while the resource tracker's lock is held. Here there is no tracker."""
    buffer = arena.alloc(5000)
    child = start(lambda child: child.say(len(buffer.view)))
    assert child.hear() == "5000"
    assert child.wait() == 0


def names_of(pid):
    """Return the files in the folder of named memory that a process has mapped or opened."""
    opened = [os.readlink(fd.path) for fd in os.scandir(f"/proc/{pid}/fd")]
    mapped = Path(f"/proc/{pid}/maps").read_text().split()
    return {path for path in (*opened, *mapped) if path.startswith(FOLDER)}


def test_killed_runs_leave_no_names(silent, start, Arena):
    """joblib 198, 1091, 1829; sglang 28089. Anonymous arenas have no names."""
    before = names_of(os.getpid())

    def part(child):
        arena = Arena("16 MiB", lock="file")
        buffer = arena.alloc(16 << 20)
        buffer.view[:10] = b"0123456789"
        child.say("full")
        child.hear()

    for _ in range(5):
        child = start(part)
        assert child.hear() == "full"
        assert names_of(child.pid) <= before
        child.kill()


def test_crash_loops_do_not_fill_a_named_arena(silent, start, Arena, lock, name):
    """vllm 51579, 51317, 54002, 57303."""

    def part(child):
        arena = Arena.open(name, "1 MiB", lock=lock)
        child.say(arena.alloc(arena.size).nbytes)
        child.hear()

    for _ in range(10):
        child = start(part)
        assert child.hear() == str(1 << 20)
        child.kill()
    arena = Arena.open(name, "1 MiB", lock=lock)
    assert used(arena) == 0
    assert len(arena.processes()) == 1
