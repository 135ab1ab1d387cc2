"""The buffer of the metadata, and attaching to metadata."""

from __future__ import annotations

import gc
import mmap
import random
import subprocess
import sys
from array import array
from ctypes import py_object
from pathlib import Path

import pytest

from pagebuddy import CorruptMetadata, OutOfPages, PageRanges
from pagebuddy.testing import NaiveAllocator

RANGES = [(3, 120), (200, 72)]
TOP = 1 << 64


@pytest.fixture
def size(Buddy):
    return Buddy.metadata_size(PageRanges(RANGES))


def used(buddy):
    """An allocator of `RANGES` with a few spans and pages that are cached, and its model."""
    model = NaiveAllocator(RANGES)
    for n_pages in (1, 5, 17, 40, 3):
        model.take(buddy.alloc(n_pages), n_pages)
    page = sorted(model.spans)[2]
    model.give_back(page)
    buddy.free(page)
    return model


# In its own memory


def resident():
    """Return the bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def test_large_metadata_is_not_touched_before_it_is_used(Buddy):
    before = resident()
    buddy = Buddy(1 << 23)
    assert buddy.metadata.nbytes > 1 << 26
    assert resident() - before < 1 << 24
    assert buddy.alloc_at((1 << 23) - 5, 5) == (1 << 23) - 5
    buddy.free((1 << 23) - 5)
    assert buddy.stats().largest_free == 1 << 23


def test_too_much_metadata_raises_memory_error(module):
    """Runs in a process with limited memory."""
    program = f"""
import resource
from {module} import BuddyAllocator

resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
try:
    BuddyAllocator(2**31 - 64)
except MemoryError as error:
    assert "17985176960 bytes" in str(error), error
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("refused\n", "")


# In a given buffer


def test_metadata_size_is_the_size_used(Buddy, size):
    assert Buddy(PageRanges(RANGES)).metadata.nbytes == size
    assert size % 8 == 0


BUFFERS = {
    "bytearray": bytearray,
    "memoryview": lambda size: memoryview(bytearray(size)),
    "slice": lambda size: memoryview(bytearray(size + 24))[8 : size + 8],
    "words": lambda size: array("Q", bytes(size)),
    "rows of words": lambda size: memoryview(bytearray(size)).cast("B").cast("Q", [size // 8, 1]),
    "mmap": lambda size: mmap.mmap(-1, size),
}


@pytest.mark.parametrize("make", BUFFERS.values(), ids=BUFFERS)
def test_metadata_can_be_in_any_writable_buffer(Buddy, size, make):
    buffer = make(size)
    buddy = Buddy(PageRanges(RANGES), metadata=buffer)
    used(buddy).check(buddy)
    assert bytes(buffer)[:size] == bytes(buddy.metadata)


def test_metadata_can_be_in_a_numpy_array(Buddy, size):
    numpy = pytest.importorskip("numpy")
    buffer = numpy.zeros((2, size), dtype="u1")
    buddy = Buddy(PageRanges(RANGES), metadata=buffer[1])
    used(buddy).check(buddy)
    assert not buffer[0].any()


def test_old_contents_of_the_buffer_do_not_matter(Buddy, size):
    for filler in (b"\xff", b"\x80", bytes(Buddy(PageRanges(RANGES)).metadata)):
        buffer = bytearray((filler * size)[:size])
        buddy = Buddy(PageRanges(RANGES), metadata=buffer)
        assert list(buddy.spans()) == []
        used(buddy).check(buddy)


def test_records_left_in_a_reused_buffer_stay_dead(Buddy, size):
    buffer = bytearray(size)
    used(Buddy(PageRanges(RANGES), metadata=buffer))
    buddy = Buddy(PageRanges(RANGES), metadata=buffer)
    NaiveAllocator(RANGES).check(buddy)
    buddy.recover()
    NaiveAllocator(RANGES).check(buddy)


def test_the_rest_of_a_larger_buffer_is_not_changed(Buddy, size):
    buffer = bytearray(b"\xa5" * (size + 100))
    buddy = Buddy(PageRanges(RANGES), metadata=buffer)
    used(buddy).check(buddy)
    assert bytes(buffer[size:]) == b"\xa5" * 100


def test_the_buffer_lives_as_long_as_the_allocator(Buddy, size):
    buddy = Buddy(PageRanges(RANGES), metadata=bytearray(size))
    gc.collect()
    garbage = [bytearray(b"\xff" * size) for _ in range(50)]
    used(buddy).check(buddy)
    assert len(garbage) == 50


def test_the_metadata_lives_longer_than_the_allocator(Buddy):
    buddy = Buddy(PageRanges(RANGES))
    model = used(buddy)
    metadata = buddy.metadata
    del buddy
    gc.collect()
    model.check(Buddy.attach(metadata))


def test_metadata_is_a_writable_view_of_bytes(Buddy, size):
    buffer = bytearray(size)
    view = Buddy(PageRanges(RANGES), metadata=buffer).metadata
    assert isinstance(view, memoryview)
    assert (view.format, view.ndim, view.readonly, view.contiguous) == ("B", 1, False, True)
    view[size - 1] ^= 0xFF
    assert buffer[size - 1] == view[size - 1]


@pytest.mark.parametrize("less", [1, 7, 8, 64, None])
def test_a_buffer_that_is_too_small_is_refused(Buddy, size, less):
    given = 0 if less is None else size - less
    buffer = bytearray(b"\xa5" * given)
    with pytest.raises(ValueError, match=rf"\b{given}\b.*\b{size}\b|\b{size}\b.*\b{given}\b"):
        Buddy(PageRanges(RANGES), metadata=buffer)
    assert bytes(buffer) == b"\xa5" * given


@pytest.mark.parametrize("off", [1, 2, 4, 7])
def test_a_misaligned_buffer_is_refused(Buddy, size, off):
    buffer = bytearray(b"\xa5" * (size + 8))
    with pytest.raises(ValueError, match="align"):
        Buddy(PageRanges(RANGES), metadata=memoryview(buffer)[off : size + off])
    assert bytes(buffer) == b"\xa5" * (size + 8)
    sound = bytearray(8 + size)
    memoryview(sound)[off : off + size] = Buddy(PageRanges(RANGES)).metadata
    with pytest.raises(ValueError, match="align"):
        Buddy.attach(memoryview(sound)[off : size + off])


def test_a_read_only_buffer_is_refused(Buddy, size):
    with pytest.raises(ValueError, match=r"read-only|writable"):
        Buddy(PageRanges(RANGES), metadata=bytes(size))
    with pytest.raises(ValueError, match=r"read-only|writable"):
        Buddy.attach(bytes(Buddy(PageRanges(RANGES)).metadata))
    with pytest.raises(ValueError, match=r"read-only|writable"):
        Buddy(PageRanges([(0, 64)]), memory=bytes(64 * 4096))


def test_a_buffer_that_is_not_contiguous_is_refused(Buddy, size):
    buffer = bytearray(b"\xa5" * (2 * size))
    for view in (memoryview(buffer)[::2], memoryview(buffer)[::-1]):
        with pytest.raises(ValueError, match="contiguous"):
            Buddy(PageRanges(RANGES), metadata=view)
        with pytest.raises(ValueError, match="contiguous"):
            Buddy.attach(view)
    assert bytes(buffer) == b"\xa5" * (2 * size)


@pytest.mark.parametrize("thing", [5, "text", 1.0, [0] * 9000, object()], ids=type)
def test_an_object_that_is_not_a_buffer_raises_type_error(Buddy, thing):
    with pytest.raises(TypeError):
        Buddy(PageRanges(RANGES), metadata=thing)
    with pytest.raises(TypeError):
        Buddy(PageRanges(RANGES), memory=thing)
    with pytest.raises(TypeError):
        Buddy.attach(thing)


def objects():
    """Buffers of object references, which are too small for metadata: nothing may be stored in them."""
    numpy = pytest.importorskip("numpy")
    named = numpy.dtype([("a number", "u8"), ("a thing", "O")])
    return [(py_object * 1)(), numpy.zeros(1, "O"), numpy.zeros(1, named)]


def test_a_buffer_of_object_references_is_refused(Buddy):
    """Overwriting a reference would crash when the object is released."""
    for buffer in objects():
        for kind in ("metadata", "memory"):
            with pytest.raises(TypeError, match=f"{kind} holds references"):
                Buddy(64, **{kind: buffer})
        with pytest.raises(TypeError, match="buffer holds references"):
            Buddy.attach(buffer)


def test_field_names_in_a_buffer_of_numbers_are_ignored(Buddy, size):
    numpy = pytest.importorskip("numpy")
    buffer = numpy.zeros(size // 8, [("O", "u4"), ("Objects", "u4")])
    used(Buddy(PageRanges(RANGES), metadata=buffer))


# Attaching


def test_a_copy_elsewhere_is_the_same_allocator(Buddy):
    buddy = Buddy(PageRanges(RANGES), page_size=512)
    model = used(buddy)
    copy = Buddy.attach(bytearray(buddy.metadata))
    model.check_spans(copy)
    assert [copy.generation_of(page) for page in model.spans] == [
        buddy.generation_of(page) for page in model.spans
    ]
    assert copy.alloc(9) == buddy.alloc(9)
    for other in (buddy, copy):
        for page, _ in list(other.spans()):
            other.free(page)
        NaiveAllocator(RANGES).check(other)


def test_a_copy_is_independent(Buddy):
    buddy = Buddy(PageRanges(RANGES))
    model = used(buddy)
    copy = Buddy.attach(bytearray(buddy.metadata))
    for page, _ in list(copy.spans()):
        copy.free(page)
    model.check(buddy)


def test_two_on_the_same_bytes_take_turns(Buddy):
    first = Buddy(PageRanges(RANGES))
    second = Buddy.attach(first.metadata)
    model = NaiveAllocator(RANGES)
    chance = random.Random(2)
    for _ in range(300):
        buddy = chance.choice([first, second])
        if model.spans and chance.random() < 0.45:
            page = chance.choice(list(model.spans))
            buddy.free(page)
            model.give_back(page)
        elif model.fits(n_pages := chance.randint(1, 9)):
            model.take(buddy.alloc(n_pages), n_pages)
    model.check(first)
    model.check(second)


def test_the_page_size_is_kept(Buddy):
    buddy = Buddy.attach(Buddy(8, page_size=512).metadata)
    with pytest.raises(OutOfPages, match=str(9 * 512)):
        buddy.alloc(9)


def test_attaching_to_a_longer_buffer_leaves_the_rest_unchanged(Buddy, size):
    buddy = Buddy(PageRanges(RANGES))
    model = used(buddy)
    copy = bytearray(buddy.metadata) + b"\xa5" * 100
    model.check(Buddy.attach(copy))
    assert bytes(copy[size:]) == b"\xa5" * 100


def test_truncated_metadata_is_refused(Buddy, size):
    whole = bytes(Buddy(PageRanges(RANGES)).metadata)
    for length in (0, 1, 8, 64, size // 2 // 8 * 8, size - 8, size - 1):
        cut = bytearray(whole[:length])
        with pytest.raises(CorruptMetadata):
            Buddy.attach(cut)
        assert bytes(cut) == whole[:length]


@pytest.mark.parametrize("filler", [b"\0", b"\xff", b"\1", b"pagebudd"])
def test_bytes_that_were_never_metadata_are_refused(Buddy, filler):
    for length in (8, 512, 4096):
        junk = bytearray((filler * length)[:length])
        with pytest.raises(CorruptMetadata) as caught:
            Buddy.attach(junk)
        assert caught.value.invariant
        assert bytes(junk) == (filler * length)[:length]


def test_random_bytes_are_refused(Buddy):
    chance = random.Random(5)
    for _ in range(100):
        with pytest.raises(CorruptMetadata):
            Buddy.attach(bytearray(chance.randbytes(chance.randrange(0, 3000))))


def test_metadata_of_another_byte_order_is_refused(Buddy):
    words = array("Q", bytes(Buddy(PageRanges(RANGES)).metadata))
    words.byteswap()
    with pytest.raises(CorruptMetadata):
        Buddy.attach(words)
