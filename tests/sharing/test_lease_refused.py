"""Arenas where the system refuses leases: the errors say why."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys

import pytest


def test_a_process_without_descriptors_is_told_so(silent, Arena, lock, start):
    def part(child):
        Arena("1 MiB", lock=lock)
        spare = os.open("/dev/null", os.O_RDONLY)
        os.close(spare)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare + 1, hard))
        try:
            Arena("1 MiB", lock=lock)
        except OSError as error:
            child.say(error)

    child = start(part)
    told = child.hear()
    assert "the system refuses the lease" in told
    assert "no file descriptor left" in told


def test_an_arena_that_finds_no_descriptor_says_what_it_needed_and_what_to_do(
    silent, Arena, lock, start, name, tmp_path
):
    ways = {
        "anonymous memory": lambda: Arena("1 MiB", lock=lock),
        "/dev/shm": lambda: Arena.create(name, "1 MiB", lock=lock),
        f"/dev/shm/{name}": lambda: Arena.attach(name),
        str(tmp_path): lambda: Arena.file(tmp_path / "new", "1 MiB"),
        str(tmp_path / "old"): lambda: Arena.file(tmp_path / "old"),
    }

    def part(child):
        kept = Arena.create(name, "1 MiB", lock=lock), Arena.file(tmp_path / "old", "1 MiB")
        del kept
        spare = os.open("/dev/null", os.O_RDONLY)
        os.close(spare)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare, limits[1]))
        told = []
        for way in ways.values():
            try:
                way()
            except OSError as error:
                told.append(error)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for error in told:
            child.say(error)

    child = start(part)
    for what in ways:
        told = child.hear()
        assert "[Errno 24] cannot open " in told
        assert what in told
        assert "close some files, or raise `ulimit -n`" in told


APART = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]

WITHOUT_PROC = """
import sys, warnings
sys.path[:] = eval(sys.argv[1])
import pagebuddy
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    arena = pagebuddy.Arena("1 MiB")
print(*[warning.message for warning in told])
buffer = arena.alloc(100)
print(buffer.nbytes)
try:
    pagebuddy.Arena.create(sys.argv[2], "1 MiB")
except OSError as error:
    print(error)
"""


def test_without_proc_an_arena_serves_one_process_and_says_so(name, engine):
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here")
    shell = 'mount -t tmpfs none /proc || exit 77; exec "$0" -c "$@"'
    done = subprocess.run(
        [*APART, shell, sys.executable, WITHOUT_PROC, repr(sys.path), name],
        env=os.environ | ({"PAGEBUDDY_PURE": "1"} if engine == "uncompiled" else {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("this user may not live apart")
    assert done.stderr == ""
    warned, allocated, refused = done.stdout.splitlines()
    assert warned.startswith("this arena is for this process only")
    assert "there is no /proc" in warned
    assert allocated == "100"
    assert "there is no /proc" in refused
    assert not os.path.exists(f"/dev/shm/{name}")
