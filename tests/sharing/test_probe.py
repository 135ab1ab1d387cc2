"""Whether the system supports leases, and what other namespaces see."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys

import pytest

from pagebuddy.errors import OutOfPages
from pagebuddy.memory.anonymous import Anonymous
from pagebuddy.memory.options import Options
from pagebuddy.sharing.system import lease
from pagebuddy.sharing.system.lease import (
    is_taken,
    probe,
    take,
)


def test_leases_are_possible_here(fd, start):
    assert probe(fd) is None
    assert not lease._is_locked(fd, lease.PROBED_BYTE)


def test_several_processes_can_probe_at_the_same_time(fd, start):
    other = lease._kept(fd, lease.fcntl.F_RDLCK, lease.PROBED_BYTE, os.O_RDWR, False)
    assert probe(fd) is None
    other.release()


def test_a_file_that_cannot_be_reopened_has_no_leases():
    here, there = socket.socketpair()
    with here, there:
        assert "has no open file description locks for this file" in probe(here.fileno())


def run_apart(flags, shell, script, *arguments):
    """Run a script in another Python, isolated by `unshare`. Return its output."""
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here")
    command = ["unshare", "--user", "--map-root-user", *flags, "sh", "-c", shell]
    command += [sys.executable, script, repr(sys.path), *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, pass_fds=arguments, check=False
    )
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("this user may not live apart")
    assert done.stderr == ""
    return done.stdout.strip()


WITHOUT_PROC = """
import sys
sys.path[:] = eval(sys.argv[1])
from pagebuddy.memory.anonymous import Anonymous
from pagebuddy.sharing.system.lease import probe
print(probe(Anonymous.make(4096).fileno()))
"""


def test_without_proc_there_are_no_leases():
    told = run_apart(
        ["--mount"],
        'mount -t tmpfs none /proc || exit 77; exec "$0" -c "$@"',
        WITHOUT_PROC,
    )
    assert told == "there is no /proc, which is needed to open the file again"


ELSEWHERE = """
import os, sys
sys.path[:] = eval(sys.argv[1])
from pagebuddy.sharing.system.lease import is_taken, take
fd = int(sys.argv[2])
print(os.getpid() < 10, is_taken(fd, 1), take(fd, 1), is_taken(fd, 2))
"""


def test_another_pid_namespace_sees_the_same_leases(fd, start, holder):
    child = start(holder(fd))
    assert child.hear() == "taken"
    told = run_apart(["--pid", "--fork"], 'exec "$0" -c "$@"', ELSEWHERE, fd)
    assert told == "True True None False"


def test_memory_of_large_pages_supports_leases():
    try:
        fd = Anonymous.make("2 MiB", Options(huge="2 MiB")).fileno()
    except (OutOfPages, ValueError) as refused:
        pytest.skip(f"no large pages here: {refused}")
    taken = take(fd, 1)
    assert is_taken(fd, 1)
    taken.release()
    assert not is_taken(fd, 1)
