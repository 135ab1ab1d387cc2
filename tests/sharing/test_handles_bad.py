"""Handles that must be refused: used twice, cut, changed, foreign, or of something that is gone."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from pagebuddy.errors import StaleHandle
from pagebuddy.memory.named import FOLDER
from pagebuddy.sharing.joining.handle import Handle
from pagebuddy.sharing.joining.sending import claim


def handle_of(buffer):
    """Return the bytes of a new handle: the contents of its pickle."""
    function, (data,) = buffer.__reduce__()
    assert function is claim
    return data


@pytest.fixture(params=["anonymous", "named"])
def either(request, silent, Arena, lock, name):
    """An arena of each kind, which is verified at the end of the test."""
    if request.param == "named":
        arena = Arena.create(name, "1 MiB", lock=lock)
    else:
        arena = Arena("1 MiB", lock=lock)
    yield arena
    arena.reap(unclaimed_after=0)
    arena.verify()


def test_a_second_claim_is_refused(either):
    buffer = either.alloc(4096)
    data = pickle.dumps(buffer)
    pickle.loads(data)
    with pytest.raises(StaleHandle, match="claimed or withdrawn before"):
        pickle.loads(data)
    with pytest.raises(LookupError):
        pickle.loads(data)
    assert either.stats().n_spans == 1
    assert buffer.nbytes == 4096


def test_a_handle_cut_anywhere_is_refused(either):
    data = handle_of(either.alloc(4096))
    for length in range(len(data)):
        with pytest.raises(StaleHandle, match="cut or changed"):
            claim(data[:length])
    assert either.stats().tickets == 1
    claim(data)


def test_a_handle_with_any_byte_changed_is_refused(either):
    data = handle_of(either.alloc(4096))
    for at in range(len(data)):
        for flip in (1, 0x80, 0xFF):
            changed = bytearray(data)
            changed[at] ^= flip
            with pytest.raises(StaleHandle, match="cut or changed"):
                claim(bytes(changed))
    assert either.stats().tickets == 1
    claim(data)


def test_a_handle_with_extra_bytes_is_refused(either):
    data = handle_of(either.alloc(4096))
    with pytest.raises(StaleHandle, match="cut or changed"):
        claim(data + b"\0")
    claim(data)


def test_a_handle_with_a_wrong_index_or_serial_is_refused(arena):
    sound = Handle.read(handle_of(arena.alloc(4096)))
    for index in (1, 1023, 1024, 65535, 2**32 - 1):
        with pytest.raises(StaleHandle):
            claim(bytes(Handle(sound.arena_id, index, sound.serial, "-")))
    for serial in (0, sound.serial - 1, sound.serial + 1, 2**64 - 1):
        with pytest.raises(StaleHandle):
            claim(bytes(Handle(sound.arena_id, sound.ticket_index, serial, "-")))
    assert arena.stats().tickets == 1


def test_a_handle_of_a_reused_ticket_entry_is_refused(either):
    buffer = either.alloc(4096)
    first, kept = handle_of(buffer), handle_of(buffer)
    claim(first)
    for _ in range(either._attachment.layout.n_tickets):
        again = handle_of(buffer)
        if Handle.read(again).ticket_index == Handle.read(first).ticket_index:
            break
        claim(again)
    assert Handle.read(again).ticket_index == Handle.read(first).ticket_index
    with pytest.raises(StaleHandle):
        claim(first)
    assert either.stats().tickets == 2
    claim(again)
    claim(kept)


def test_a_handle_of_an_earlier_buffer_at_the_same_offset_is_refused(arena):
    data = handle_of(arena.alloc(4096))
    arena.reap(unclaimed_after=0)
    other = arena.alloc(4096)
    assert other.offset == 0
    with pytest.raises(StaleHandle):
        claim(data)
    assert next(arena.buffers()).holders != ()


def say_refusals(child):
    """In another process: claim the handles that it hears, and say why each is refused."""
    while said := child.hear():
        try:
            claim(bytes.fromhex(said))
        except StaleHandle as error:
            child.say(error)


def test_an_anonymous_arena_whose_sender_has_it_no_more(silent, start, Arena, lock):
    child = start(say_refusals)
    arena = Arena("1 MiB", lock=lock)
    data = handle_of(arena.alloc(4096))
    handle = Handle.read(data)
    # As of an earlier version, which says nowhere.
    child.say(bytes(handle._replace(place="-")).hex())
    answer = child.hear()
    assert "anonymous arena that this process does not have" in answer
    assert "use a named arena, or pass the arena first" in answer
    child.say(bytes(handle._replace(place=f"p{os.getpid()}/1000000")).hex())
    assert "has ended, closed it, or is in another container" in child.hear()
    assert arena.stats().tickets == 1


@pytest.mark.parametrize("kind", ["file", "device", "pipe", "other"])
def test_a_descriptor_that_now_refers_to_something_else(silent, start, Arena, lock, kind, tmp_path):
    child = start(say_refusals)
    arena = Arena("1 MiB", lock=lock)
    data = handle_of(arena.alloc(4096))
    other = Arena("1 MiB", lock=lock)
    path = tmp_path / "file"
    path.write_bytes(bytes(8192))
    reader, writer = os.pipe()
    file, device = os.open(path, os.O_RDWR), os.open("/dev/zero", os.O_RDWR)
    fd = {"file": file, "device": device, "pipe": reader, "other": other.fileno()}[kind]
    try:
        place = f"p{os.getpid()}/{fd}"
        child.say(bytes(Handle.read(data)._replace(place=place)).hex())
        assert "refers to another file" in child.hear()
        assert len(other.processes()) == 1
    finally:
        for fd in file, device, reader, writer:
            os.close(fd)


def test_an_anonymous_arena_is_attached_through_its_sender(silent, start, Arena, lock):
    def part(child):
        buffer = claim(bytes.fromhex(child.hear()))
        child.say(bytes(buffer.view[:5]).decode())
        # What was attached once is known: from a handle of an earlier version too.
        claim(bytes.fromhex(child.hear()))
        child.say("claimed")

    child = start(part)
    arena = Arena("1 MiB", lock=lock)
    buffer = arena.alloc(4096)
    buffer.view[:5] = b"hello"
    child.say(handle_of(buffer).hex())
    assert child.hear() == "hello"
    child.say(bytes(Handle.read(handle_of(buffer))._replace(place="-")).hex())
    assert child.hear() == "claimed"
    assert arena.stats().tickets == 0


def test_a_handle_of_an_earlier_arena_of_the_same_name_is_refused(silent, start, Arena, lock, name):
    child = start(say_refusals)
    first = Arena.create(name, "1 MiB", lock=lock)
    buffer = first.alloc(4096)
    data = handle_of(buffer)
    first.unlink()
    second = Arena.create(name, "1 MiB", lock=lock)
    tickets = [handle_of(second.alloc(4096)) for _ in range(5)]
    child.say(data.hex())
    assert f"{name} is now another" in child.hear()
    assert second.stats().tickets == len(tickets)
    # This process is attached to the first arena and can still use it.
    assert claim(data).offset == buffer.offset


@pytest.mark.parametrize("kind", ["named", "file"])
@pytest.mark.parametrize("then", ["gone", "a folder", "empty", "something else", "made anew"])
def test_a_handle_of_an_arena_that_is_gone_is_refused(
    silent, start, Arena, lock, name, tmp_path, kind, then
):
    """Its process has ended, and its name or path is free or used by something else."""
    path = Path(FOLDER, name) if kind == "named" else tmp_path / "store"

    def made():
        if kind == "named":
            return Arena.create(name, "1 MiB", lock=lock)
        return Arena.file(path, "1 MiB", lock=lock)

    def part(child):
        arena = made()
        child.say(handle_of(arena.alloc(4096)).hex())
        arena.unlink()

    child = start(part)
    data = bytes.fromhex(child.hear())
    assert child.wait() == 0
    arena = None
    if then == "a folder":
        path.mkdir()
    elif then == "empty":
        path.touch(0o600)
    elif then == "something else":
        path.write_bytes(bytes(100_000))
        path.chmod(0o600)
    elif then == "made anew":
        arena = made()
        arena.alloc(4096)
    with pytest.raises(StaleHandle, match=r"cannot be attached|is now another"):
        claim(data)
    if arena is not None:
        assert len(arena.processes()) == 1
        arena.verify()


@pytest.mark.parametrize("place", ["n../../etc/passwd", "n", "f", "f/etc/passwd", "x", "n\udcff"])
def test_a_handle_with_an_impossible_location_is_refused(silent, place):
    with pytest.raises(StaleHandle):
        claim(bytes(Handle(7, 0, 1, place)))


@pytest.mark.parametrize("data", [b"", b"x", bytes(28), bytes(32), bytes(1000)])
def test_bytes_that_are_not_a_handle_are_refused(silent, data):
    with pytest.raises(StaleHandle, match=f"these {len(data)} bytes"):
        claim(data)
