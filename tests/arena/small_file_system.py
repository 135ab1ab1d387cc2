"""A small file system for programs: each runs in a mount namespace with a /dev/shm of a given size."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap

import pytest

PRELUDE = """
import contextlib, copy, errno, gc, os, pickle, signal, sys, warnings
from pagebuddy import Arena, ArenaSizeWarning, OutOfPages
from pagebuddy.memory.named import FOLDER
from pagebuddy.sharing.words import A_BUSY, A_TOUCHED, OP_ALLOC

PAGE = 4096
warnings.simplefilter("ignore", ArenaSizeWarning)

def made(kind, size, **options):
    if kind == "named":
        return Arena.open("arena", size, **options)
    return Arena.file(FOLDER + "/arena", size, **options)

def fill(free=0):
    "Take all that is left of the file system, but so many pages."
    with open(FOLDER + "/fill", "ab", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(PAGE))
        os.ftruncate(file.fileno(), os.fstat(file.fileno()).st_size - free * PAGE)
    assert os.statvfs(FOLDER).f_bfree == free

def refused(call, *arguments, **options):
    "Whether there is no room for something, which the file system said."
    before = sorted(os.listdir(FOLDER)), len(os.listdir("/proc/self/fd"))
    free = os.statvfs(FOLDER).f_bfree
    try:
        call(*arguments, **options)
    except OutOfPages as error:
        assert isinstance(error.__cause__, OSError), error
        assert error.__cause__.errno == errno.ENOSPC, error.__cause__
        assert error.requested > error.free, error
    else:
        return False
    gc.collect()
    assert (sorted(os.listdir(FOLDER)), len(os.listdir("/proc/self/fd"))) == before
    assert os.statvfs(FOLDER).f_bfree == free
    return True
"""


def run_in_small(kib, prelude, program, *arguments, **environment):
    """Run a program where /dev/shm has so many KiB; what it prints. It says nothing on stderr."""
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here")
    as_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = [
        *("unshare", "--mount", *as_user, "sh", "-c"),
        'mount -t tmpfs -o size="$1"k none /dev/shm || exit 77; shift; exec "$@"',
        *("sh", str(kib), sys.executable, "-W", "error", "-c"),
        *(prelude + textwrap.dedent(program), *map(str, arguments)),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=os.environ | environment
    )
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("this user may not mount a small file system")
    if "cannot change root filesystem propagation" in done.stderr:
        pytest.skip("the root of this chroot is not a mount point")
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


@pytest.fixture
def in_small(engine):
    """Run a program where /dev/shm has so many KiB; what it prints. It says nothing on stderr."""
    pure = {"PAGEBUDDY_PURE": "1"} if engine == "uncompiled" else {}

    def run(kib, program, *arguments):
        return run_in_small(kib, PRELUDE, program, *arguments, **pure)

    return run
