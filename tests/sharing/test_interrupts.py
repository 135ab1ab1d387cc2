"""Ctrl-C at any moment of a loop of operations breaks nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
    import os, pickle, random, signal, sys
    import pagebuddy

    lock, times, others = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    arena = pagebuddy.Arena("8 MiB", lock=lock)
    pids = []
    for _ in range(others):
        pids.append(os.fork())
        while not pids[-1]:
            arena.alloc(4096)
    moment = random.Random(7)
    caught = 0

    def interrupted(*_):
        raise KeyboardInterrupt

    def some_work():
        held = []
        for n in range(1, 40):
            buffer = arena.alloc(n * 1000)
            buffer.view[:4] = b"work"
            held.append(buffer)
            if n % 3 == 0:
                buffer.resize(n * 2000)
            if n % 5 == 0:
                held.append(pickle.loads(pickle.dumps(buffer)))
            if n % 7 == 0:
                buffer.keep("key", replace=True)
                held.append(arena["key"])
                buffer.unkeep()
            if n % 11 == 0:
                list(arena.buffers())
                arena.stats()
            if n % 13 == 0:
                arena.reap(unclaimed_after=3600)
                held.clear()

    # What is imported late is imported now: an import that is interrupted leaves an open file.
    some_work()
    signal.signal(signal.SIGALRM, interrupted)
    for _ in range(times):
        try:
            signal.setitimer(signal.ITIMER_REAL, moment.uniform(0.00005, 0.003))
            try:
                # Not for ever: an exception that strikes in the end of an object is ignored.
                for _ in range(20):
                    some_work()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            caught += 1
            arena.reap(unclaimed_after=0)
        arena.verify()
    assert caught > times // 4
    if "key" in arena.keys():
        arena["key"].unkeep()
    arena.reap(unclaimed_after=0)
    arena.verify()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    arena.reap()
    arena.verify()
    print(arena.stats().n_spans, [row.sticky for row in arena.processes()])
"""


@pytest.mark.parametrize("others", [0, 1])
def test_ctrl_c_leaves_nothing_half_done(run, engine, lock, effort, others):
    if engine == "uncompiled":
        pytest.skip("uncompiled, Ctrl-C can strike in the end of an object: see below")
    assert run(PROGRAM, lock, effort.pick(60, 300), others) == "0 [False]\n"


def test_ctrl_c_in_the_uncompiled_engine_leaks_until_the_process_ends(engine, tmp_path, effort):
    """An exception in a destructor is printed to stderr by the interpreter and ignored."""
    if engine == "compiled":
        pytest.skip("compiled, nothing strikes there: see above")
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(PROGRAM))
    done = subprocess.run(
        [sys.executable, str(path), "file", str(effort.pick(20, 100)), "0"],
        env=os.environ | {"PAGEBUDDY_PURE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(" [False]\n")
    told = re.findall(r"^\w*(?:Error|Interrupt|Handle|Pages)\b.*$", done.stderr, re.MULTILINE)
    assert {line.rstrip(": ") for line in told} <= {"KeyboardInterrupt"}
