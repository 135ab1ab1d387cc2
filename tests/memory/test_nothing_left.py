"""Many failures of each kind leave no descriptor, no mapping and no file behind."""

from __future__ import annotations

import errno
import os
import resource
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pagebuddy.errors import ArenaExists, ArenaNotFound, OutOfPages
from pagebuddy.memory import system
from pagebuddy.memory.anonymous import Anonymous
from pagebuddy.memory.draft import Draft
from pagebuddy.memory.file import File
from pagebuddy.memory.given import Given
from pagebuddy.memory.named import FOLDER, Named
from pagebuddy.memory.options import PLAIN, Options


@pytest.fixture
def tries(effort):
    return effort.pick(30, 1000, 1000)


@pytest.fixture
def many_failures(left_behind, tries):
    """How to run something many times: each time it fails in the same way, and then all is as before."""

    @contextmanager
    def many_failures(error):
        before = left_behind()

        def fail(act):
            for _ in range(tries):
                with pytest.raises(error):
                    act()

        yield fail
        assert left_behind() == before

    return many_failures


@pytest.mark.parametrize("kind", ["anonymous", "named", "file"])
@pytest.mark.parametrize(
    ("size", "options", "error"),
    [
        (0, PLAIN, ValueError),
        ("2 pages", PLAIN, ValueError),
        (1 << 61, PLAIN, ValueError),
        ("15 TiB", Options(reserve=True), OutOfPages),
        ("15 TiB", Options(populate=True), OutOfPages),
        (1 << 16, Options(huge="5 MiB"), ValueError),
    ],
    ids=["nothing", "text", "too large", "reserve", "populate", "huge"],
)
def test_making(make, kind, size, options, error, many_failures):
    with many_failures((error,)) as fail:
        fail(lambda: make[kind](size, options))


def test_publishing_under_a_name_that_is_taken(name, many_failures):
    Named.make(name, 4096).publish()
    with many_failures(ArenaExists) as fail:
        fail(lambda: Named.make(name, 4096).publish())


def test_publishing_where_files_cannot_be_nameless(tmp_path, many_failures):
    path = str(tmp_path / "store")
    File.make(path, 4096).publish()
    with many_failures(ArenaExists) as fail:
        fail(lambda: File._made(path, 4096, PLAIN, nameless=False).publish())


def test_opening(name, many_failures):
    path = Path(FOLDER, name)
    with many_failures(ArenaNotFound) as fail:
        fail(lambda: Named.open(name))
    for spoil in (
        lambda: path.symlink_to("/etc/passwd"),
        lambda: path.touch(0o600),
        lambda: os.mkfifo(path, 0o600),
        lambda: (path.write_bytes(b"x"), path.chmod(0o666)),
    ):
        spoil()
        with many_failures(ValueError) as fail:
            fail(lambda: Named.open(name))
        path.unlink()


def test_attaching_to_a_descriptor(tmp_path, many_failures):
    made = Anonymous.make(4096)
    reading = os.open(f"/proc/self/fd/{made.fileno()}", os.O_RDONLY)
    folder = os.open(tmp_path, os.O_RDONLY)
    for fd in (reading, folder, 1 << 20):
        with many_failures(ValueError) as fail:
            fail(lambda fd=fd: Anonymous.attach(fd))
    os.close(reading)
    os.close(folder)


def test_given_memory(many_failures):
    with many_failures(ValueError) as fail:
        fail(lambda: Given(b"constant"))


@pytest.mark.parametrize("kind", ["anonymous", "named", "file"])
def test_too_many_open_files(make, kind, many_failures):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with many_failures(OSError) as fail:
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            fail(lambda: make[kind](4096))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("kind", ["anonymous", "named", "file"])
def test_too_few_addresses(make, kind, many_failures):
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with many_failures(ValueError) as fail:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 40, hard))
        try:
            fail(lambda: make[kind](1 << 41))
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.parametrize("kind", ["anonymous", "named", "file"])
def test_a_system_that_refuses_advice(make, kind, many_failures, monkeypatch):
    """Staged, as nothing else fails between the mapping and the medium."""

    def refuse(*_):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(system, "advise", refuse)
    with many_failures(OSError) as fail:
        fail(lambda: make[kind](4096))


@pytest.mark.parametrize("kind", ["anonymous", "named", "file"])
def test_the_error_alone_holds_nothing(make, kind, left_behind, monkeypatch):
    """Whoever keeps an error keeps the frames it came through, and nothing of theirs is open."""
    before = left_behind()
    monkeypatch.setattr(system, "advise", lambda *_: 1 // 0)
    kept = []
    for _ in range(10):
        try:
            make[kind](4096)
        except ZeroDivisionError as error:
            kept.append(error)
    assert len(kept) == 10
    assert left_behind() == before


def test_a_draft_in_a_folder_that_is_closed(tmp_path, many_failures):
    if os.geteuid() == 0:
        pytest.skip("no folder is closed to root")
    tmp_path.chmod(0o500)
    with many_failures(PermissionError) as fail:
        fail(lambda: Draft(str(tmp_path), 0o600))
    with suppress(OSError):
        tmp_path.chmod(0o700)


def test_many_that_do_not_fail(make, name, tmp_path, left_behind, tries):
    before = left_behind()
    for _ in range(tries):
        for kind in ("anonymous", "named", "file", "given"):
            medium = make[kind](1 << 16)
            medium.publish()
            medium.memory[0] = 1
            medium.unlink()
            medium.close()
            del medium
    assert left_behind() == before
