"""Behaviour that all media have in common."""

from __future__ import annotations

import copy
import gc
import os
import pickle

import pytest

from pagebuddy.allocator.placement import address_of
from pagebuddy.errors import ArenaClosed
from pagebuddy.memory.mapped import Mapped
from pagebuddy.memory.medium import Medium
from pagebuddy.memory.options import Options

ALL = ["anonymous", "named", "file", "given"]
MAPPED = ALL[:3]

all_media = pytest.mark.parametrize("kind", ALL)
mapped_media = pytest.mark.parametrize("kind", MAPPED)


def is_a_medium(medium: Medium) -> Medium:
    """Let the type checker compare a medium with the Protocol."""
    return medium


@all_media
def test_its_bytes_are_zero_and_can_be_written(medium):
    assert is_a_medium(medium).size == medium.memory.nbytes == 1 << 16
    assert medium.memory.format == "B"
    assert bytes(medium.memory) == bytes(1 << 16)
    medium.memory[:3] = b"abc"
    assert bytes(medium.memory[:4]) == b"abc\0"
    assert medium.address == address_of(medium.memory)
    assert not medium.is_cut()


@mapped_media
def test_sizes_are_rounded_up_to_pages(make, kind, medium):
    assert make[kind](1).size == 4096
    assert make[kind]("5 KiB").size == 8192
    assert os.fstat(medium.fileno()).st_size == medium.size


@mapped_media
def test_one_descriptor_and_one_mapping(make, kind, medium, left_behind):
    before = left_behind()
    another = make[kind](1 << 16)
    after = left_behind()
    assert after["descriptors"] == before["descriptors"] + 1
    assert after["mappings"] == before["mappings"] + 1
    assert not os.get_inheritable(another.fileno())


@all_media
@pytest.mark.parametrize("act", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_medium_cannot_be_copied_or_pickled(medium, act):
    with pytest.raises(TypeError, match=f"{medium.KIND} cannot be copied or pickled"):
        act(medium)


@all_media
def test_a_closed_medium_refuses_to_be_used(medium):
    medium.close()
    medium.close()
    with pytest.raises(ArenaClosed):
        medium.memory  # noqa: B018
    with pytest.raises(ValueError, match=r"descriptor|closed"):
        medium.fileno()


@all_media
def test_memory_outlives_the_medium_while_there_is_a_view(medium, left_behind):
    ended = []
    medium.at_end(lambda memory: ended.append(("first", bytes(memory[:4]))))
    medium.at_end(lambda memory: ended.append(("last", bytes(memory[:4]))))
    view = medium.memory[:8].cast("I")[:1]
    medium.memory[:4] = b"\x04\x03\x02\x01"
    medium.close()
    del medium
    gc.collect()
    assert list(view) == [0x01020304]
    assert ended == []
    view[0] = 0x41414141
    del view
    assert ended == [("last", b"AAAA"), ("first", b"AAAA")]


@mapped_media
def test_mapping_and_descriptor_end_with_the_last_view(make, kind, left_behind):
    before = left_behind()
    medium = make[kind](1 << 16)
    view = medium.memory
    medium.close()
    assert left_behind()["descriptors"] == before["descriptors"] + 1
    del view
    assert left_behind() == before


@mapped_media
def test_an_exception_in_a_last_call_is_reported_and_everything_still_ends(
    medium, left_behind, monkeypatch
):
    told = []
    monkeypatch.setattr("sys.unraisablehook", lambda report: told.append(type(report.exc_value)))
    called = []
    medium.at_end(lambda _: called.append(True))
    medium.at_end(lambda _: 1 // 0)
    descriptor = medium.fileno()
    identity = medium.identity
    before = left_behind()["mappings"]
    medium.close()
    assert called == [True]
    assert not is_open_as(descriptor, identity)
    assert left_behind()["mappings"] == before - 1
    assert told == [ZeroDivisionError]


def is_open_as(descriptor, identity):
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == identity


@mapped_media
def test_a_descriptor_that_others_closed_is_not_closed_again(medium, tmp_path):
    number = medium.fileno()
    os.close(number)
    assert not medium.is_cut()
    stranger = os.open(tmp_path, os.O_RDONLY)
    if stranger != number:
        os.dup2(stranger, number)
        os.close(stranger)
    try:
        assert not medium.is_cut()
        medium.memory[0] = 1
        medium.close()
        os.fstat(number)
    finally:
        os.close(number)


@pytest.mark.parametrize("kind", ["named", "file"])
def test_a_file_cut_short_is_noticed(medium):
    assert not medium.is_cut()
    os.truncate(medium.fileno(), 4096)
    assert medium.is_cut()


@all_media
def test_ranges_outside_the_medium_cannot_be_trimmed(medium):
    for offset, length in [(-1, 1), (0, -1), (0, medium.size + 1), (medium.size + 1, 0)]:
        with pytest.raises(ValueError, match=r"offset|length"):
            medium.trim(offset, length)


@mapped_media
def test_trim_frees_whole_pages_and_returns_the_number_of_bytes(medium):
    medium.memory[:] = b"x" * medium.size
    medium.flush()
    assert medium.trim(4096 + 1, 8 * 4096) == 7 * 4096
    # Do this before reading, as reading a page of shared memory allocates it.
    assert medium.trim(2 * 4096, 4096) == 0
    expected = bytearray(b"x" * medium.size)
    expected[2 * 4096 : 9 * 4096] = bytes(7 * 4096)
    assert bytes(medium.memory) == bytes(expected)
    assert medium.trim(0, 4095) == 0
    assert medium.memory[0] == ord("x")


def test_given_memory_is_not_trimmed(make):
    medium = make["given"](1 << 16)
    medium.memory[:] = b"x" * medium.size
    assert medium.trim(0, medium.size) == 0
    assert bytes(medium.memory) == b"x" * medium.size


@mapped_media
def test_64_gib_use_no_memory_until_accessed(make, kind):
    huge = make[kind]("64 GiB")
    assert huge.size == 64 << 30
    huge.memory[0] = huge.memory[-1] = 1
    huge.publish()
    huge.flush()
    assert os.fstat(huge.fileno()).st_blocks * 512 < 1 << 20
    huge.unlink()


@mapped_media
def test_reserved_memory_is_allocated_before_it_is_published(make, kind, medium):
    assert os.fstat(medium.fileno()).st_blocks == 0
    reserved = make[kind](1 << 20, Options(reserve=True))
    assert os.fstat(reserved.fileno()).st_blocks * 512 >= 1 << 20


@mapped_media
def test_populated_memory_is_mapped(make, kind):
    resident = resident_kib(make[kind]("4 MiB"))
    populated = make[kind]("4 MiB", Options(populate=True))
    assert resident == 0
    assert resident_kib(populated) == 4096


def resident_kib(medium: Mapped) -> int:
    """How many KiB of a medium this process has mapped."""
    start = f"{medium.address:x}-"
    with open("/proc/self/smaps") as lines:
        for line in lines:
            if line.startswith(start):
                return next(int(row.split()[1]) for row in lines if row.startswith("Rss:"))
    raise AssertionError("not mapped")


@mapped_media
def test_core_dumps_do_not_contain_it(medium):
    with open("/proc/self/smaps") as lines:
        start = f"{medium.address:x}-"
        next(line for line in lines if line.startswith(start))
        flags = next(row.split()[1:] for row in lines if row.startswith("VmFlags:"))
    assert "dd" in flags
    assert "dc" not in flags
