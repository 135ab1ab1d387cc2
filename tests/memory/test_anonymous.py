"""Anonymous memory: its length is sealed, and processes pass on its descriptor."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys

import pytest

from pagebuddy.memory.anonymous import SEALS, Anonymous
from pagebuddy.memory.file import File
from pagebuddy.memory.named import Named


def test_its_length_is_sealed():
    made = Anonymous.make(8192)
    assert fcntl.fcntl(made.fileno(), fcntl.F_GET_SEALS) & SEALS == SEALS
    for n_bytes in (0, 4096, 1 << 20):
        with pytest.raises(PermissionError):
            os.ftruncate(made.fileno(), n_bytes)
    with pytest.raises(PermissionError):
        fcntl.fcntl(made.fileno(), fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)


ATTACHER = """
import socket, sys
sys.path[:] = eval(sys.argv[1])
from pagebuddy.memory.anonymous import Anonymous

with socket.socket(fileno=0) as channel:
    _, (fd,), _, _ = socket.recv_fds(channel, 1, 1)
    memory = Anonymous.attach(fd).memory
    memory[1] = memory[0] + 1
    channel.send(b"x")
"""


def test_another_process_gets_the_same_bytes():
    made = Anonymous.make("64 KiB")
    made.memory[0] = 41
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-c", ATTACHER, repr(sys.path)]
        process = subprocess.Popen(command, stdin=theirs, stderr=subprocess.PIPE)
        theirs.close()
        socket.send_fds(ours, [b"x"], [made.fileno()])
        assert ours.recv(1) == b"x"
        assert process.communicate() == (None, b"")
    assert made.memory[1] == 42


def test_attaching_duplicates_the_callers_descriptor():
    made = Anonymous.make(4096)
    attached = Anonymous.attach(made.fileno())
    assert attached.fileno() != made.fileno()
    assert not os.get_inheritable(attached.fileno())
    attached.close()
    made.memory[0] = 1
    assert os.fstat(made.fileno()).st_size == made.size
    assert not made.is_cut()


def test_descriptors_of_other_media_can_be_attached(name, tmp_path):
    for made in (Named.make(name, 4096), File.make(tmp_path / "store", 4096)):
        made.memory[0] = 3
        attached = Anonymous.attach(made.fileno())
        assert attached.memory[0] == 3
        assert not attached.unlink()


def refused(fd, reason, left_behind):
    before = left_behind()
    with pytest.raises(ValueError, match=reason):
        Anonymous.attach(fd)
    assert left_behind() == before


def test_unsuitable_descriptors_are_refused(tmp_path, left_behind):
    (tmp_path / "empty").touch(0o600)
    (tmp_path / "open to all").write_bytes(b"x" * 4096)
    (tmp_path / "open to all").chmod(0o666)
    made = Anonymous.make(4096)
    wrong = [
        (os.memfd_create("unsealed"), "writable by all users"),
        (os.open("/dev/null", os.O_RDWR), "not a regular file"),
        (os.open(tmp_path, os.O_RDONLY), "not a regular file"),
        (os.open(tmp_path / "empty", os.O_RDWR), "is empty"),
        (os.open(tmp_path / "open to all", os.O_RDWR), "writable by all users"),
        (os.open(f"/proc/self/fd/{made.fileno()}", os.O_RDONLY), "both reading and writing"),
        (os.open(f"/proc/self/fd/{made.fileno()}", os.O_WRONLY), "both reading and writing"),
    ]
    unsealed = os.memfd_create("unsealed")
    os.ftruncate(unsealed, 4096)
    os.fchmod(unsealed, 0o777)
    wrong.append((unsealed, "writable by all users"))
    for fd, reason in wrong:
        refused(fd, reason, left_behind)
        os.close(fd)
    refused(1 << 20, "not open in this process", left_behind)
    refused(-1, "at least 0", left_behind)
    with pytest.raises(TypeError):
        Anonymous.attach("3")
