"""Arenas in files: what was kept is there again, however their processes ended; what is no arena."""

from __future__ import annotations

import os
import shutil

import pytest

from pagebuddy import ArenaNotFound, CorruptMetadata

FILLING = """
arena = Arena.file(sys.argv[1], "4 MiB")
for number in range(20):
    buffer = arena.alloc(1 + 3001 * number, keep=f"key {number}" if number % 2 else None)
    buffer.view[:] = bytes([number]) * buffer.nbytes
held = [arena.alloc(10_000) for _ in range(10)]
arena.alloc(77, keep=True)
say("filled")
hear()
"""


@pytest.mark.parametrize("end", ["orderly", "killed"])
def test_what_was_kept_is_there_again(Arena, path, start, end):
    other = start(FILLING, path)
    assert other.hear() == "filled"
    other.say() if end == "orderly" else other.kill()
    other.end()
    for _ in range(2):
        arena = Arena.file(path)
        assert arena.keys() == sorted(f"key {number}" for number in range(1, 20, 2))
        for number in range(1, 20, 2):
            buffer = arena[f"key {number}"]
            assert buffer.nbytes == 1 + 3001 * number
            assert bytes(buffer.view) == bytes([number]) * buffer.nbytes
        arena.verify()
        assert (arena.stats().kept, arena.stats().n_spans, arena.stats().processes) == (11, 11, 1)
        del buffer, arena


def test_a_copy_is_an_arena_of_its_own(Arena, path, tmp_path):
    arena = Arena.file(path, "1 MiB")
    arena.alloc(5, keep="it").view[:] = b"hello"
    shutil.copyfile(path, tmp_path / "copy")
    os.chmod(tmp_path / "copy", 0o600)
    copy = Arena.file(tmp_path / "copy")
    copy["it"].view[:] = b"other"
    assert bytes(arena["it"].view) == b"hello"
    copy.verify()


def test_moved_and_removed(Arena, path, tmp_path):
    arena = Arena.file(path, "1 MiB")
    path.rename(tmp_path / "moved")
    assert not arena.unlink()
    assert Arena.file(tmp_path / "moved").unlink() is False
    second = Arena.file(path, "64 KiB")
    assert second.unlink()
    assert not path.exists()
    assert second.alloc(5).offset == 0


def test_a_folder_that_was_left(Arena, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arena = Arena.file("store", "64 KiB")
    monkeypatch.chdir("/")
    arena.flush()
    assert Arena.file(tmp_path / "store").size == 65536


@pytest.fixture(params=["named", "file"])
def stored(request, Arena, make, name, path):
    """An arena that nobody has open; a way to open it, and the path of it."""
    make[request.param]("64 KiB", lock="file").close()
    if request.param == "file":
        return lambda: Arena.file(path), path
    return lambda: Arena.attach(name), type(path)("/dev/shm", name)


def spoilt(path, act):
    content = bytearray(path.read_bytes())
    act(content)
    path.write_bytes(content)


def changed(at, value):
    def change(content):
        content[at : at + len(value)] = value

    return change


@pytest.mark.parametrize(
    ("act", "match"),
    [
        (changed(0, b"something"), "starts with b'PBARENA1'"),
        (changed(8, b"\x63"), "it has version 5.*version 99 is another release's"),
        (lambda content: changed(8, content[8:16][::-1])(content), "this machine's byte order"),
        (changed(24, b"\xff"), "its header has the right checksum"),
        (
            lambda content: content.__delitem__(slice(-4096, None)),
            "it is as long as its header says",
        ),
        (
            lambda content: content.__delitem__(slice(100, None)),
            "it is at least as long as a header",
        ),
        (lambda content: content.__delitem__(slice(1, None)), "it is at least as long as a header"),
        (lambda content: changed(0, bytes(len(content)))(content), "starts with b'PBARENA1'"),
    ],
    ids=["mark", "version", "order", "checksum", "truncated", "short", "byte", "zeros"],
)
def test_what_is_no_sound_arena(stored, act, match, left_behind):
    opened, path = stored
    spoilt(path, act)
    content, before = path.read_bytes(), left_behind()
    with pytest.raises(CorruptMetadata, match=match) as caught:
        opened()
    assert "give the name, path or descriptor of an arena, or create a new one" in str(caught.value)
    del caught
    assert left_behind() == before
    assert path.read_bytes() == content


def test_what_cannot_be_trusted(stored, tmp_path, left_behind):
    opened, path = stored
    path.chmod(0o666)
    with pytest.raises(ValueError, match=r"is writable by all users, so it .*chmod o-w"):
        opened()
    path.chmod(0o600)
    aside = tmp_path / "aside"
    shutil.move(path, aside)
    before = left_behind()
    path.symlink_to(aside)
    with pytest.raises(ValueError, match="is a symbolic link; give the path of the arena itself"):
        opened()
    path.unlink()
    path.touch(0o600)
    with pytest.raises(ValueError, match="is empty, so it is not an arena; remove it, or choose"):
        opened()
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(ValueError, match="is not a regular file, so it is not an arena"):
        opened()
    path.unlink()
    with pytest.raises(ArenaNotFound, match="create the arena first, or check the name"):
        opened()
    assert left_behind() == before


def test_a_file_made_read_only(stored):
    opened, path = stored
    if os.geteuid() == 0:
        pytest.skip("no file is closed to root")
    path.chmod(0o400)
    with pytest.raises(PermissionError):
        opened()


CUT_OFF = """
import gc
kind, place, length = sys.argv[1:]
arena = Arena.create(place, "1 MiB") if kind == "named" else Arena.file(place, "1 MiB")
path = "/dev/shm/" + place if kind == "named" else place
os.truncate(path, int(length))
looks = [arena.stats, arena.keys, arena.buffers, arena.processes, arena.verify, arena.recover,
         arena.reap, arena.trim, arena.flush, lambda: Arena.attach(arena.fileno()),
         lambda: Arena.attach(place) if kind == "named" else Arena.file(place)]
for look in looks:
    try:
        look()
    except (CorruptMetadata, ValueError) as error:
        said = str(error)
        assert any(word in said for word in ("as long as", "full length", "is empty")), said
    else:
        raise AssertionError(look)
    finally:
        gc.collect()
assert arena.unlink()
say(said)
del look, looks, arena
gc.collect()
say("ended")
"""


@pytest.mark.parametrize("kind", ["named", "file"])
@pytest.mark.parametrize("length", [0, 4096, 300_000, (1 << 20) - 1])
def test_one_that_is_cut_off_under_its_user(kind, length, name, path, start):
    """An error wherever somebody asks, and an end like any other."""
    other = start(CUT_OFF, kind, name if kind == "named" else path, length)
    assert other.hear() != ""
    assert other.hear() == "ended"
    assert other.end() == 0
