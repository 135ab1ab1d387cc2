"""Descriptors that the program closed, or whose numbers mean another file by now."""

from __future__ import annotations

import os

import pytest

from pagebuddy.memory.anonymous import Anonymous
from pagebuddy.memory.file import File
from pagebuddy.memory.named import FOLDER, Named


@pytest.fixture(params=["named", "file"])
def linked(request, name, tmp_path):
    """A published medium with a path."""
    if request.param == "named":
        made = Named.make(name, 1 << 20)
    else:
        made = File.make(tmp_path / "store", 1 << 20)
    made.publish()
    return made


@pytest.fixture(params=["closed", "reused"])
def lose(request, tmp_path):
    """Close a medium's descriptor, and perhaps give its number to another file, which is returned."""
    opened = []

    def lose(medium):
        fd = medium.fileno()
        os.close(fd)
        if request.param == "reused":
            other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
            if other != fd:
                os.dup2(other, fd)
                os.close(other)
            opened.append(fd)

    yield lose
    for fd in opened:
        # Nobody else closed it, and nothing was stored to it.
        status = os.fstat(fd)
        assert (status.st_ino, status.st_size, status.st_blocks) == (
            os.stat(tmp_path / "other").st_ino,
            0,
            0,
        )
        os.close(fd)


USES = {
    "fileno": lambda medium: os.fstat(medium.fileno()),
    "back": lambda medium: medium.back([(0, 65536)]),
    "trim": lambda medium: medium.trim(0, 65536),
    "flush": lambda medium: medium.flush(),
    "is_linked": lambda medium: medium.is_linked(),
    "unlink": lambda medium: medium.unlink(),
    "close": lambda medium: medium.close(),
}


@pytest.mark.parametrize("use", USES)
def test_a_medium_with_a_path_is_opened_again(linked, lose, use):
    linked.memory[0] = 7
    lose(linked)
    USES[use](linked)
    if use == "back":
        assert os.stat(linked.path).st_blocks * 512 >= 65536
    if use not in ("close", "unlink"):
        status = os.fstat(linked.fileno())
        assert (status.st_dev, status.st_ino) == linked.identity


@pytest.mark.parametrize("now", ["nothing", "another"])
def test_only_the_same_file_is_opened_again(linked, lose, now):
    linked.memory[0] = 7
    lose(linked)
    os.rename(linked.path, linked.path + "-moved")
    if now == "another":
        with open(linked.path, "wb") as another:
            another.truncate(1 << 20)
    why = "is another file" if now == "another" else "does not exist"
    try:
        with pytest.raises(OSError, match=f"(?s)the program closed file descriptor.*{why}"):
            linked.back([(0, 4096)])
        assert linked.memory[0] == 7
    finally:
        os.unlink(linked.path + "-moved")


@pytest.mark.parametrize("use", ["fileno", "trim"])
def test_anonymous_memory_says_that_its_descriptor_was_closed(lose, use):
    medium = Anonymous.make(65536)
    medium.memory[0] = 7
    fd = medium.fileno()
    lose(medium)
    with pytest.raises(
        OSError, match=f"the program closed file descriptor {fd} of anonymous memory"
    ):
        USES[use](medium)
    assert medium.memory[0] == 7
    medium.back([(0, 4096)])


def test_a_draft_without_its_descriptor_is_not_published(name, lose):
    made = Named.make(name, 4096)
    lose(made)
    with pytest.raises(OSError, match="it has no name yet"):
        made.publish()
    assert not os.path.exists(os.path.join(FOLDER, name))


@pytest.mark.alone
def test_a_descriptor_that_was_opened_again_is_closed_at_the_end(linked, left_behind):
    lost = linked.fileno()
    before = left_behind()["descriptors"]
    os.close(lost)
    linked.fileno()
    assert left_behind()["descriptors"] == before
    linked.close()
    assert left_behind()["descriptors"] == before - 1
