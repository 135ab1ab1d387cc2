"""Buffers: how long they are, where they lie, what is in them, and how long one waits for them."""

from __future__ import annotations

import math
import os
import signal
from threading import Thread

import pytest


def test_as_long_as_asked_for(arena):
    for nbytes, capacity in [(1, 4096), (4096, 4096), (4097, 8192), ("64 KiB", 65536)]:
        buffer = arena.alloc(nbytes)
        wanted = 65536 if nbytes == "64 KiB" else nbytes
        assert (buffer.nbytes, len(buffer), buffer.capacity) == (wanted, wanted, capacity)
        assert len(buffer.view) == wanted
        assert buffer.offset % 4096 == 0


@pytest.mark.parametrize("kind", ["anonymous", "named", "file"])
@pytest.mark.parametrize("n_pages", [1, 2, 3, 5, 100, 255, 257, 1000])
def test_all_of_it_in_one_piece(make, kind, n_pages):
    arena = make[kind](n_pages * 4096)
    for _ in range(2):
        buffer = arena.alloc(n_pages * 4096)
        assert (buffer.offset, buffer.nbytes) == (0, n_pages * 4096)
        assert arena.stats().free == 0
        del buffer
    pieces = [arena.alloc(1) for _ in range(n_pages)]
    assert sorted(piece.offset for piece in pieces) == [n * 4096 for n in range(n_pages)]
    arena.verify()


def test_other_bytes_than_any_others(arena):
    buffers = [arena.alloc(n) for n in (1, 5000, 4096, 30000, 77)]
    for number, buffer in enumerate(buffers):
        buffer.view[:] = bytes([number]) * buffer.nbytes
    for number, buffer in enumerate(buffers):
        assert bytes(buffer.view) == bytes([number]) * buffer.nbytes


@pytest.mark.parametrize("align", [1, 8, 4096, 8192, "64 KiB", 1 << 19])
def test_alignment(arena, align):
    first = arena.alloc(1)
    buffers = [arena.alloc(5000, align=align) for _ in range(1 if align == 1 << 19 else 3)]
    grain = 65536 if align == "64 KiB" else align
    assert all(buffer.offset % grain == 0 for buffer in buffers)
    assert all(buffer.capacity == 8192 for buffer in buffers)
    assert first.offset not in [buffer.offset for buffer in buffers]
    arena.verify()


def test_zeros_where_something_was(arena):
    arena.alloc(arena.size).view[:] = b"\xff" * arena.size
    zeros = arena.alloc(10_000, zero=True)
    assert bytes(zeros.view) == bytes(10_000)
    rest = arena.alloc(arena.stats().largest_free * 4096, zero=True)
    assert not any(rest.view)


def test_zeros_partly_where_something_was(arena):
    """Some of the pages were used before, and the others never."""
    for used in (5000, 70_000, 300_000):
        arena.alloc(used).view[:] = b"\xff" * used
        zeros = arena.alloc(500_000, zero=True)
        assert not any(zeros.view)
        zeros.view[:] = b"\xff" * 500_000
        del zeros


@pytest.mark.parametrize("n_bytes", [1, 4095, 4096, 4097, 3 * 4096 - 1])
@pytest.mark.parametrize("n_used", [1, 2])
def test_zeros_up_to_the_end_of_the_pages_that_were_used(arena, n_used, n_bytes):
    """Also where the zeros end in the middle of a page that was never used."""
    used = n_used * arena.page_size
    arena.alloc(used, align=1 << 20).view[:] = b"\xff" * used
    zeros = arena.alloc(used + n_bytes, align=1 << 20, zero=True)
    assert zeros.offset == 0
    assert not any(zeros.view)


def test_zeros_after_growing(arena):
    """What was grown into counts as used."""
    buffer = arena.alloc(5000, align=1 << 19)
    assert buffer.resize(300_000)
    buffer.view[:] = b"\xff" * 300_000
    del buffer
    assert not any(arena.alloc(arena.size, zero=True).view)


def test_untouched_zeros_stay_untouched(Arena):
    arena = Arena("64 MiB")
    blocks = os.fstat(arena.fileno()).st_blocks
    zeros = arena.alloc("32 MiB", zero=True)
    assert os.fstat(arena.fileno()).st_blocks - blocks < 1024
    assert zeros.view[-1] == 0


def test_kept_at_once(arena):
    buffer = arena.alloc(9, keep="nine")
    nameless = arena.alloc(9, keep=True)
    assert buffer.kept
    assert nameless.kept
    assert not arena.alloc(9, keep=False).kept
    assert arena.keys() == ["nine"]


def test_a_key_that_is_taken_leaves_no_buffer(arena):
    arena.alloc(9, keep="nine")
    used = arena.stats().used
    with pytest.raises(
        ValueError, match=r"key 'nine' is taken; choose another, or keep\(key, repl"
    ):
        arena.alloc(9, keep="nine")
    assert arena.stats().used == used
    arena.verify()


def test_waiting_for_one_who_was_stopped(Arena, start):
    arena = Arena("1 MiB", lock="file")
    other = start(HOLD, arena.fileno(), fds=(arena.fileno(),))
    assert other.hear() == "locked"
    os.kill(other.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, other.pid, os.WSTOPPED | os.WNOWAIT)
    for timeout in (0.0, 0.01):
        with pytest.raises(TimeoutError, match=rf"was not free for {timeout} seconds; .* has it"):
            arena.alloc(9, timeout=timeout)
    had = []
    waiting = [
        Thread(target=lambda timeout=timeout: had.append(arena.alloc(9, timeout=timeout)))
        for timeout in FOR_EVER
    ]
    for thread in waiting:
        thread.start()
    waiting[-1].join(0.1)  # It would have raised.
    os.kill(other.pid, signal.SIGCONT)
    other.say("go on")
    assert arena.alloc(9, timeout=60).nbytes == 9
    for thread in waiting:
        thread.join()
    assert len(had) == len(FOR_EVER)
    assert other.end() == 0


FOR_EVER = [math.inf, 1e306, 10**400]

HOLD = """
import fcntl, struct
from pagebuddy.sharing.words import LOCK_BYTE
arena = Arena.attach(int(sys.argv[1]))
fd = os.open(f"/proc/self/fd/{arena.fileno()}", os.O_RDWR)
for kind in (fcntl.F_WRLCK, fcntl.F_UNLCK):
    lock = struct.pack("hhqqi0q", kind, os.SEEK_SET, LOCK_BYTE, 1, 0)
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, lock)
    if kind == fcntl.F_WRLCK:
        say("locked")
        hear()
"""


@pytest.mark.parametrize("timeout", [0, 1, 2.5, *FOR_EVER], ids=lambda timeout: repr(timeout)[:9])
def test_no_wait_where_nobody_else_is(arena, timeout):
    assert arena.alloc(9, timeout=timeout).nbytes == 9
