"""Segments in one process: names, sizes, errors, what `close` and `unlink` leave."""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import threading
from multiprocessing import shared_memory as original

import pytest

LONG = "x" * 255


@pytest.fixture
def segment(shm):
    """Return a segment of 100 bytes."""
    return shm.SharedMemory(create=True, size=100)


def error_of(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except Exception as error:
        return error
    return pytest.fail("no error was raised")


# -- a segment ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 100, 4096, 4097, 300_000])
def test_a_segment_has_its_exact_size_and_is_zero(shm, size):
    for _ in range(3):
        segment = shm.SharedMemory(create=True, size=size)
        assert (segment.size, len(segment.buf)) == (size, size)
        assert bytes(segment.buf) == bytes(size)
        # The next one has the same pages.
        segment.buf[:] = b"\xff" * size
        segment.close()
        segment.unlink()


def test_buf_is_like_that_of_the_original(shm, segment):
    theirs = original.SharedMemory(create=True, size=100)
    try:
        for name in ("format", "itemsize", "ndim", "shape", "strides", "readonly", "nbytes"):
            assert getattr(segment.buf, name) == getattr(theirs.buf, name)
    finally:
        theirs.close()
        theirs.unlink()
    assert isinstance(segment, original.SharedMemory)
    assert repr(segment) == f"SharedMemory({segment.name!r}, size=100)"


class Whole(int):
    """An integer of another class."""


@pytest.mark.parametrize("size", [True, Whole(7)])
def test_a_size_may_be_an_integer_of_any_class(shm, size):
    assert shm.SharedMemory(create=True, size=size).size == int(size)


def test_attaching_ignores_the_size_that_is_given(shm, segment):
    assert shm.SharedMemory(segment.name, size=5000).size == 100


@pytest.mark.parametrize("track", [True, False])
def test_track_is_accepted(shm, track):
    segment = shm.SharedMemory(create=True, size=10, track=track)
    shm.SharedMemory(segment.name, track=track).buf[0] = 7
    assert segment.buf[0] == 7


def test_a_pickle_attaches_to_the_same_segment(shm, segment):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        same = pickle.loads(pickle.dumps(segment, protocol))
        same.buf[protocol] = protocol + 1
        assert segment.buf[protocol] == protocol + 1
        assert type(same) is shm.SharedMemory


def test_segments_without_a_name_get_different_names(shm):
    segments = [shm.SharedMemory(create=True, size=10) for _ in range(20)]
    assert len({segment.name for segment in segments}) == 20
    assert all(segment.name.startswith("psm_") for segment in segments)


def test_a_name_that_is_taken_is_not_chosen(shm, monkeypatch):
    names = iter(["/psm_first", "/psm_first", "/psm_second"])
    monkeypatch.setattr(shm, "_make_filename", lambda: next(names))
    first, second = (shm.SharedMemory(create=True, size=10) for _ in range(2))
    assert (first.name, second.name) == ("psm_first", "psm_second")


# -- names --------------------------------------------------------------------------------------


@pytest.mark.one_engine
@pytest.mark.parametrize(
    "name",
    ["a", "x" * 46, "x" * 47, LONG, "é" * 127, "a b\n", "=a", "#a", "!0", "日本", ".hidden"],
)
def test_a_name_may_have_up_to_255_bytes(shm, name):
    segment = shm.SharedMemory(name, create=True, size=5000)
    assert (segment.name, segment.size, len(segment.buf)) == (name, 5000, 5000)
    segment.buf[:5] = b"hello"
    same = shm.SharedMemory(name)
    assert (bytes(same.buf[:5]), same.size) == (b"hello", 5000)
    error = error_of(shm.SharedMemory, name, create=True, size=10)
    assert (type(error), error.errno) == (FileExistsError, errno.EEXIST)
    same.unlink()
    error = error_of(shm.SharedMemory, name)
    assert (type(error), error.errno) == (FileNotFoundError, errno.ENOENT)
    assert error.filename == "/" + name


def test_leading_slashes_do_not_matter(shm):
    segment = shm.SharedMemory("/slash", create=True, size=10)
    assert segment.name == "/slash"
    for name in ("slash", "/slash", "//slash"):
        shm.SharedMemory(name).buf[0] += 1
    assert segment.buf[0] == 3


@pytest.mark.one_engine
@pytest.mark.parametrize(
    "name", ["", "/", ".", "..", "a/b", "x" * 256, "é" * 128, "\ud800", 5, b"x", None]
)
def test_a_wrong_name_raises_what_the_original_raises(shm, name):
    ours, theirs = (error_of(module.SharedMemory, name) for module in (shm, original))
    assert type(ours) is type(theirs)
    assert getattr(ours, "errno", None) == getattr(theirs, "errno", None)
    assert str(ours) == str(theirs)


def test_a_name_must_not_contain_nul(shm):
    with pytest.raises(ValueError, match="embedded null character"):
        shm.SharedMemory("a\0b", create=True, size=10)


@pytest.mark.one_engine
def test_unlink_uses_the_name_that_was_set_meanwhile(shm, segment):
    """CPython's tests do this."""
    other = shm.SharedMemory(create=True, size=100)
    name, segment._name = segment._name, other._name
    segment.unlink()
    with pytest.raises(FileNotFoundError):
        other.unlink()
    segment._name = name + "\0a"
    with pytest.raises(ValueError, match="null"):
        segment.unlink()
    segment._name = name
    segment.unlink()


@pytest.mark.parametrize("size", [-1, 0, "5", None])
def test_a_wrong_size_raises_what_the_original_raises(shm, size):
    ours, theirs = (
        error_of(module.SharedMemory, create=True, size=size) for module in (shm, original)
    )
    assert (type(ours), str(ours)) == (type(theirs), str(theirs))


@pytest.mark.parametrize(
    ("size", "kind"), [(10.5, TypeError), (1 << 63, OverflowError), (1 << 62, OSError)]
)
def test_an_impossible_size_leaves_nothing(shm, arenas, used, size, kind):
    shm.SharedMemory(create=True, size=10).unlink()
    before = arenas()
    with pytest.raises(kind):
        shm.SharedMemory("impossible", create=True, size=size)
    assert (arenas(), used()) == (before, 0)
    shm.SharedMemory("impossible", create=True, size=10).unlink()


def test_another_name_with_the_same_hash_is_not_confused(shm, monkeypatch):
    real = hashlib.blake2b
    monkeypatch.setattr(
        hashlib, "blake2b", lambda _, digest_size: real(b"", digest_size=digest_size)
    )
    segment = shm.SharedMemory("é" * 40, create=True, size=100)
    with pytest.raises(FileExistsError):
        shm.SharedMemory("ü" * 40, create=True, size=100)
    with pytest.raises(FileNotFoundError):
        shm.SharedMemory("ü" * 40)
    other = shm.SharedMemory("another", create=True, size=100)
    other._name, other._place = "/" + "ü" * 40, None
    with pytest.raises(FileNotFoundError):
        other.unlink()
    assert shm.SharedMemory(segment.name).size == 100


def test_a_subclass_may_attach_or_create_by_its_flags(shm, segment):
    class Optional(shm.SharedMemory):
        _flags = os.O_CREAT | os.O_RDWR

    assert Optional(segment.name).size == 100
    with pytest.raises(ValueError, match="cannot mmap an empty file"):
        Optional("missing")


# -- close and unlink ---------------------------------------------------------------------------


def test_close_keeps_the_name_and_the_size(shm, segment):
    segment.close()
    segment.close()
    assert segment.buf is None
    assert segment.size == 100
    assert shm.SharedMemory(segment.name).size == 100


def test_views_and_arrays_keep_their_memory(shm):
    np = pytest.importorskip("numpy")
    segment = shm.SharedMemory(create=True, size=8000)
    view = segment.buf[:5]
    array = np.ndarray(1000, buffer=segment.buf)
    view[:] = b"hello"
    array[1:] = 7
    segment.close()
    segment.unlink()
    others = [shm.SharedMemory(create=True, size=8000) for _ in range(20)]
    for other in others:
        other.buf[:] = b"\xff" * 8000
    assert bytes(view) == b"hello"
    assert array[1:].tolist() == [7] * 999


def test_memory_is_free_when_the_last_view_is_gone(shm, segment, used):
    view = segment.buf
    segment.unlink()
    segment.close()
    assert used() == 1
    del view
    assert used() == 0


def test_a_closed_segment_can_be_unlinked(shm, segment, used):
    segment.close()
    assert used() == 1
    segment.unlink()
    assert used() == 0


def test_a_second_unlink_does_not_find_the_name(shm, segment):
    segment.unlink()
    error = error_of(segment.unlink)
    assert (type(error), error.filename) == (FileNotFoundError, "/" + segment.name)


@pytest.mark.parametrize("name", ["again", LONG])
@pytest.mark.parametrize("size", [100, 200_000])
def test_unlink_is_by_name_as_in_the_original(shm, small, name, size):
    first = shm.SharedMemory(name, create=True, size=100)
    shm.SharedMemory(name).unlink()
    second = shm.SharedMemory(name, create=True, size=size)
    first.unlink()
    with pytest.raises(FileNotFoundError):
        shm.SharedMemory(name)
    assert second.size == size


def test_a_segment_ends_without_a_warning(shm, recwarn):
    segment = shm.SharedMemory(create=True, size=100)
    view = segment.buf[5:10]
    del segment
    assert (len(view), len(recwarn)) == (5, 0)


# -- arenas of their own ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["large", LONG])
def test_a_large_segment_has_an_arena_of_its_own(shm, small, arenas, used, name):
    segment = shm.SharedMemory(name, create=True, size=300_001)
    assert (segment.size, len(segment.buf), arenas()) == (300_001, 300_001, 2)
    segment.buf[-5:] = b"hello"
    same = pickle.loads(pickle.dumps(segment))
    assert (bytes(same.buf[-5:]), same.size) == (b"hello", 300_001)
    with pytest.raises(FileExistsError):
        shm.SharedMemory(name, create=True, size=300_001)
    with pytest.raises(FileExistsError):
        shm.SharedMemory(name, create=True, size=5)
    same.unlink()
    assert (arenas(), used()) == (1, 0)
    with pytest.raises(FileNotFoundError):
        segment.unlink()
    assert bytes(segment.buf[-5:]) == b"hello"


def test_a_full_arena_is_continued_by_others(shm, small, arenas, used, caplog):
    segments = [shm.SharedMemory(f"a{i}", create=True, size=60_000) for i in range(20)]
    assert arenas() > 1
    assert len([record for record in caplog.records if "of their own" in record.message]) == 1
    assert shm.fallbacks.counts["full"] == arenas() - 1
    for i, segment in enumerate(segments):
        segment.buf[:2] = b"%02d" % i
    for i, segment in enumerate(segments):
        assert bytes(shm.SharedMemory(f"a{i}").buf[:2]) == b"%02d" % i
        segment.close()
        segment.unlink()
    assert (arenas(), used()) == (1, 0)


def test_without_any_room_the_error_is_that_of_a_full_device(shm, small, monkeypatch):
    monkeypatch.setattr(shm, "_SPARE_KEYS", [])
    segments = []

    def fill():
        while True:
            segments.append(shm.SharedMemory(create=True, size=4096))

    with pytest.raises(OSError, match="No space left on device") as caught:
        fill()
    assert caught.value.errno == errno.ENOSPC
    segments.pop().unlink()
    shm.SharedMemory(create=True, size=4096).unlink()


def test_a_segment_larger_than_the_file_system_is_sparse(shm, recwarn):
    segment = shm.SharedMemory(create=True, size=1 << 40)
    segment.buf[-1] = 7
    assert shm.SharedMemory(segment.name).buf[-1] == 7
    segment.unlink()
    assert not recwarn


# -- lists and threads --------------------------------------------------------------------------


def test_a_list_lies_in_a_segment_of_ours(shm):
    numbers = shm.ShareableList(["a", b"b", 3, 4.5, True, None], name="numbers")
    assert type(numbers.shm) is shm.SharedMemory
    same = pickle.loads(pickle.dumps(numbers))
    same[2] = 5
    assert type(same) is shm.ShareableList
    assert list(numbers) == ["a", b"b", 5, 4.5, True, None]
    assert list(shm.ShareableList(name="numbers")) == list(numbers)
    assert isinstance(numbers, original.ShareableList)
    numbers.shm.unlink()
    with pytest.raises(FileNotFoundError):
        shm.ShareableList(name="numbers")


def test_threads_create_and_unlink_at_once(shm, used, effort):
    failures = []

    def work(i):
        try:
            for j in range(effort.pick(30, 1000)):
                segment = shm.SharedMemory(create=True, size=5000)
                segment.buf[0] = i
                with pytest.raises(FileExistsError):
                    shm.SharedMemory(segment.name, create=True, size=1)
                assert segment.buf[0] == i, j
                segment.close()
                segment.unlink()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failures, used()) == ([], 0)
