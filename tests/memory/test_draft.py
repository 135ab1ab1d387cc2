"""Drafts: with and without a temporary name, two that publish at once, and a process that is killed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pagebuddy.errors import ArenaExists
from pagebuddy.memory.draft import Draft
from pagebuddy.memory.file import File
from pagebuddy.memory.options import PLAIN


@pytest.fixture(params=[True, False], ids=["nameless", "temporary"])
def nameless(request):
    return request.param


def test_a_published_draft_has_its_path_and_no_other_name(tmp_path, nameless):
    draft = Draft(str(tmp_path), 0o640, nameless=nameless)
    assert len(os.listdir(tmp_path)) == (not nameless)
    os.write(draft.fd, b"text")
    draft.publish(str(tmp_path / "done"))
    assert os.listdir(tmp_path) == ["done"]
    assert (tmp_path / "done").read_bytes() == b"text"
    assert (tmp_path / "done").stat().st_nlink == 1
    assert (tmp_path / "done").stat().st_mode & 0o777 == 0o640
    draft.discard()
    os.close(draft.fd)
    assert os.listdir(tmp_path) == ["done"]


def test_publishing_does_not_replace_an_existing_file(tmp_path, nameless):
    (tmp_path / "done").write_bytes(b"older")
    draft = Draft(str(tmp_path), 0o600, nameless=nameless)
    with pytest.raises(ArenaExists):
        draft.publish(str(tmp_path / "done"))
    draft.discard()
    os.close(draft.fd)
    assert os.listdir(tmp_path) == ["done"]
    assert (tmp_path / "done").read_bytes() == b"older"


def test_a_medium_removes_its_temporary_name(tmp_path, left_behind):
    before = left_behind()
    made = File._made(str(tmp_path / "store"), 4096, PLAIN, nameless=False)
    assert len(os.listdir(tmp_path)) == 1
    made.close()
    assert left_behind() == before
    with pytest.raises(ValueError, match="too large"):
        File._made(str(tmp_path / "store"), 1 << 61, PLAIN, nameless=False)
    assert left_behind() == before


def test_a_forked_copy_does_not_discard_the_draft(tmp_path):
    made = File._made(str(tmp_path / "store"), 4096, PLAIN, nameless=False)
    child = os.fork()
    if not child:
        made.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    made.publish()
    assert os.listdir(tmp_path) == ["store"]


RACER = """
import sys
sys.path[:] = eval(sys.argv[2])
from pagebuddy.errors import ArenaExists
from pagebuddy.memory.file import File
from pagebuddy.memory.options import PLAIN

for n in range(100):
    path = f"{sys.argv[1]}/{n}"
    made = File._made(path, 4096, PLAIN, nameless=sys.argv[3] == "True")
    made.memory[:4] = b"made"
    sys.stdout.write("\\n"); sys.stdout.flush(); sys.stdin.readline()
    try:
        made.publish()
        won = "won"
    except ArenaExists:
        won = "lost"
    assert bytes(File.open(path).memory[:4]) == b"made"
    sys.stdout.write(won + "\\n"); sys.stdout.flush()
"""


def test_if_two_processes_publish_at_once_one_succeeds(tmp_path, nameless):
    command = [sys.executable, "-c", RACER, str(tmp_path), repr(sys.path), str(nameless)]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for _ in range(100):
        for racer in racers:
            assert racer.stdout.readline() == "\n"
        for racer in racers:
            racer.stdin.write("\n")
            racer.stdin.flush()
        assert sorted(racer.stdout.readline() for racer in racers) == ["lost\n", "won\n"]
    for racer in racers:
        racer.communicate()
        assert racer.returncode == 0
    assert sorted(os.listdir(tmp_path), key=int) == [str(n) for n in range(100)]


def test_a_killed_process_leaves_no_draft_behind(tmp_path):
    ready, tell = os.pipe()
    child = os.fork()
    if not child:
        made = File.make(tmp_path / "store", 4096)
        made.memory[0] = 1
        os.write(tell, b"x")
        os.kill(os.getpid(), 9)
    assert os.read(ready, 1) == b"x"
    os.waitpid(child, 0)
    os.close(ready)
    os.close(tell)
    assert os.listdir(tmp_path) == []
