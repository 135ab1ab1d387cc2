"""What people have suffered from the lifetime of shared memory, each as a test. Numbers are issues."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from pagebuddy.memory.named import FOLDER


def used(arena):
    return arena.stats().used


def test_the_exit_of_an_attacher_unlinks_nothing(silent, Arena, run, name):
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


def test_an_exit_with_everything_still_in_use_is_silent(run, name):
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


def test_nothing_tracks_what_is_forked(arena, start):
    """cpython 96971: a fork while the tracker's lock is held. There is no tracker, and no process."""
    buffer = arena.alloc(5000)
    child = start(lambda child: child.say(len(buffer.view)))
    assert child.hear() == "5000"
    assert child.wait() == 0


def test_killed_runs_leave_no_names(silent, start, Arena):
    """joblib 198, 1091, 1829; sglang 28089."""
    before = sorted(os.listdir(FOLDER))

    def part(child):
        arena = Arena("16 MiB", lock="file")
        buffer = arena.alloc(16 << 20)
        buffer.view[:10] = b"0123456789"
        child.say("full")
        child.hear()

    for _ in range(5):
        child = start(part)
        assert child.hear() == "full"
        assert sorted(os.listdir(FOLDER)) == before
        child.kill()
        assert sorted(os.listdir(FOLDER)) == before


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


def test_a_name_is_used_again_after_ctrl_c(silent, engine, name):
    """posix_ipc 6: a stale name after Ctrl-C."""
    program = f"""if True:
        import pagebuddy
        arena = pagebuddy.Arena.open({name!r}, "1 MiB")
        buffer = arena.alloc(arena.size)
        try:
            print("ready", flush=True)
            while True:
                arena.stats()
        except KeyboardInterrupt:
            print("interrupted")
    """
    environment = os.environ | ({"PAGEBUDDY_PURE": "1"} if engine == "uncompiled" else {})
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("interrupted\n", "")


def test_the_survivors_of_a_killed_holder_go_on(arena, start):
    """birdnet 73; boostorg/interprocess 65, 56, 128, 163; FairMQ 278; apcu 632; LightRAG 3413."""

    def part(child):
        child.say("at work")
        while True:
            arena.alloc(5000)

    mine = arena.alloc(5)
    mine.view[:] = b"hello"
    for _ in range(20):
        child = start(part)
        assert child.hear() == "at work"
        for _ in range(20):
            arena.alloc(5000, timeout=60)
        child.kill()
        assert arena.alloc(5000, timeout=60).nbytes == 5000
    assert bytes(mine.view) == b"hello"
    assert arena.reap() <= 20
    assert used(arena) == 1
