"""Where there is no room: what the error says, and that the dead are reaped before it."""

from __future__ import annotations

import pickle

import pytest

from pagebuddy import OutOfKeys, OutOfPages, OutOfSlots

HOLDING = """
arena = Arena.attach(int(sys.argv[1]))
buffer = arena.alloc(int(sys.argv[2]))
say(buffer.nbytes)
hear()
"""


def test_the_figures(Arena):
    arena = Arena(16 * 4096)
    buffers = [arena.alloc(1) for _ in range(16)]
    del buffers[1::2]
    with pytest.raises(OutOfPages) as caught:
        arena.alloc(5000)
    error = caught.value
    assert isinstance(error, MemoryError)
    assert (error.requested, error.free, error.largest_free, error.page_size) == (2, 8, 1, 4096)
    assert str(error) == (
        "no room for 2 pages (8192 bytes): 8 pages (32768 bytes) free, longest free run 1 page "
        "(4096 bytes); ask for less at once, or free the pages between the free runs"
    )
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert arena.alloc(error.largest_free * 4096).capacity == 4096
    arena.verify()


def test_the_figures_with_an_alignment(Arena):
    arena = Arena(16 * 4096)
    first = arena.alloc(1, align=65536)
    with pytest.raises(
        OutOfPages, match=r"at a multiple of 16 pages.*relax the alignment"
    ) as caught:
        arena.alloc(1, align="64 KiB")
    assert (caught.value.requested, caught.value.free, caught.value.largest_free) == (1, 15, 15)
    del first
    assert arena.alloc(1, align="64 KiB").offset == 0


def test_more_than_there_will_ever_be(arena):
    with pytest.raises(OutOfPages, match="free something first, or ask for less") as caught:
        arena.alloc(arena.size + 1)
    assert caught.value.requested == arena.n_pages + 1
    assert caught.value.largest_free == arena.n_pages


def test_the_dead_are_reaped_first(Arena, start):
    arena = Arena(16 * 4096)
    other = start(HOLDING, arena.fileno(), 10 * 4096, fds=(arena.fileno(),))
    assert other.hear() == "40960"
    with pytest.raises(OutOfPages) as caught:
        arena.alloc(7 * 4096)
    assert (caught.value.requested, caught.value.free) == (7, 6)
    other.kill()
    assert arena.stats().used == 10
    assert arena.alloc(16 * 4096).offset == 0
    assert arena.stats().processes == 1
    arena.verify()


def test_the_living_are_not_reaped(Arena, start):
    arena = Arena(16 * 4096)
    other = start(HOLDING, arena.fileno(), 10 * 4096, fds=(arena.fileno(),))
    assert other.hear() == "40960"
    assert arena.reap() == 0
    for _ in range(3):
        with pytest.raises(OutOfPages):
            arena.alloc(7 * 4096)
    other.say()
    assert other.end() == 0


# Slots

FORKING = """
import signal
arena_fd, n = int(sys.argv[1]), int(sys.argv[2])
children = []
# Children end with this process, however it ends.
lives, ends = os.pipe()
for _ in range(n):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        arena = Arena.attach(arena_fd)
        buffer = arena.alloc(1)
        os.write(writing, b"x")
        os.close(ends)
        os.read(lives, 1)
        os._exit(0)
    assert os.read(reading, 1) == b"x"
    os.close(reading); os.close(writing)
    children.append(child)
say("attached")
hear()
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
say("killed")
hear()
"""


@pytest.mark.parametrize(
    ("slots", "there"),
    [
        (2, 48),
        pytest.param(48, 48, marks=pytest.mark.soak),
        (49, 112),
        pytest.param(113, 176, marks=pytest.mark.soak),
    ],
)
def test_as_many_processes_as_slots(Arena, engine, start, slots, there):
    if engine == "uncompiled" and slots not in (48, 49):
        pytest.skip("as many processes of the compiled engine show it, and sooner")
    arena = Arena("2 MiB", slots=slots)
    fd = arena.fileno()
    others = start(FORKING, fd, there - 2, fds=(fd,))
    assert others.hear() == "attached"
    assert arena.stats().processes == there - 1
    attach = "try: Arena.attach(int(sys.argv[1])); say('in')\nexcept OutOfSlots as e: say(e)"
    assert start(attach, fd, fds=(fd,)).hear() == (
        f"the arena has slots for {there - 1} processes, and all are taken; end some processes, "
        "or create the arena with more slots: slots=112, 176 and so on"
    )
    holders = {row.holders for row in arena.buffers()}
    assert holders == {(slot,) for slot in range(2, there)}
    others.say()
    assert others.hear() == "killed"
    assert (arena.stats().dead, arena.stats().used) == (there - 2, there - 2)
    assert start(attach, fd, fds=(fd,)).hear() == "in"
    assert arena.stats().used == 0
    arena.verify()


def test_a_full_directory(Arena):
    arena = Arena("4 MiB", keys=256)
    for number in range(256):
        arena.alloc(1, keep=f"key {number}")
    buffer = arena.alloc(5)
    with pytest.raises(
        OutOfKeys, match="room for 256 kept buffers, and all of it is used"
    ) as caught:
        buffer.keep("one more")
    assert caught.value.keys == arena.stats().keys == 256
    assert pickle.loads(pickle.dumps(caught.value)).keys == 256
    with pytest.raises(OutOfSlots):
        arena.alloc(5, keep=True)
    assert not buffer.kept
    assert len(arena.keys()) == arena.stats().kept == 256
    assert arena.stats().used == 257
    arena["key 77"].unkeep()
    buffer.keep("one more")
    assert "key 77" not in arena
    assert arena["one more"].nbytes == 5
    arena.verify()


@pytest.mark.parametrize("keys", [1, 2, 100])
def test_in_a_full_directory_keys_can_be_replaced_and_changed(Arena, keys):
    """A cache that is full stays useful."""
    arena = Arena("1 MiB", keys=keys)
    for number in range(keys):
        arena.alloc(1, keep=f"key {number}").release()
    for more in range(3):
        for number in range(keys):
            arena.alloc(2 + more).keep(f"key {number}", replace=True)
            arena[f"key {number}"].keep("another")
            arena["another"].keep(f"key {number}")
        with pytest.raises(OutOfKeys):
            arena.alloc(1, keep="one more")
        arena.verify()
    assert [arena[key].nbytes for key in arena] == [4] * keys
    assert arena.stats().used == keys
