"""Looking at an arena, mending it, trimming it, and using it from threads."""

from __future__ import annotations

import os
import threading

import pytest

from pagebuddy import CorruptMetadata


def test_figures(arena):
    first, kept = arena.alloc(5000), arena.alloc(1, keep="it")
    stats = arena.stats()
    assert (stats.used, stats.n_spans, stats.kept, stats.tickets) == (3, 2, 1, 0)
    assert stats.free == arena.n_pages - 3 == sum(n << k for k, n in enumerate(stats.free_blocks))
    assert (stats.processes, stats.dead) == (1, 0)
    assert (stats.n_bytes, stats.used_bytes) == (arena.size, 12288)
    rows = {row.offset: row for row in arena.buffers()}
    assert list(rows) == sorted(rows)
    assert rows[first.offset].n_pages == 2
    assert (rows[first.offset].kept, rows[first.offset].key) == (False, None)
    assert (rows[kept.offset].kept, rows[kept.offset].key, rows[kept.offset].nbytes) == (
        True,
        "it",
        1,
    )
    assert {row.holders for row in rows.values()} == {(1,)}


def test_more_buffers_than_are_told_at_once(Arena):
    arena = Arena("8 MiB")
    buffers = [arena.alloc(1) for _ in range(1000)]
    assert {row.offset for row in arena.buffers()} == {buffer.offset for buffer in buffers}


def test_processes(Arena, start):
    arena = Arena("1 MiB")
    other = start(
        "a = Arena.attach(int(sys.argv[1])); b = a.alloc(9000); say(1); hear()",
        arena.fileno(),
        fds=(arena.fileno(),),
    )
    assert other.hear() == "1"
    mine, theirs = arena.processes()
    assert (mine.pid, mine.me, mine.alive, mine.buffers) == (os.getpid(), True, True, 0)
    assert (theirs.pid, theirs.me, theirs.alive) == (other.pid, False, True)
    assert (theirs.buffers, theirs.nbytes) == (1, 12288)
    other.kill()
    assert [row.alive for row in arena.processes()] == [True, False]
    assert arena.stats().dead == 1
    assert arena.reap() == 1
    assert len(arena.processes()) == 1


def test_a_fault_is_found_and_mended(Arena):
    arena = Arena("1 MiB")
    buffer = arena.alloc(5, keep="it")
    layout = arena._attachment.layout
    arena._attachment.memory[layout.holds_at + buffer.offset // 4096] = 0
    with pytest.raises(CorruptMetadata, match="buffer"):
        arena.verify()


def test_recovering_changes_nothing_that_is_true(arena):
    buffers = [arena.alloc(n * 3000, keep=f"{n}") for n in range(1, 9)]
    before = list(arena.buffers())
    for _ in range(2):
        arena.recover()
        assert list(arena.buffers()) == before
        arena.verify()
    assert len(buffers) == 8


@pytest.mark.parametrize("kind", ["anonymous", "named"])
def test_trimming(make, kind):
    arena = make[kind]("16 MiB")
    held = arena.alloc(4096)
    held.view[:] = b"a" * 4096
    used = arena.alloc("8 MiB")
    used.view[:] = b"b" * used.nbytes
    del used
    assert arena.trim() == 8 << 20
    assert arena.trim() == 0
    assert bytes(held.view) == b"a" * 4096
    assert not any(arena.alloc("8 MiB").view)
    arena.verify()


def test_threads(arena):
    failures = []

    def work(number):
        try:
            for turn in range(100):
                buffer = arena.alloc(100 + turn * 37)
                buffer.view[:] = bytes([number]) * buffer.nbytes
                assert bytes(buffer.view) == bytes([number]) * buffer.nbytes
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert arena.stats().used == 0
    arena.verify()


def test_figures_are_printed_for_people(Arena):
    arena = Arena("1 GiB", page_size=4096)
    held = [arena.alloc(1_519 * 4096 - 8192), arena.alloc(5000, keep="it")]
    sent = arena.dumps(arena.alloc(1 << 20))
    told = str(arena.stats())
    assert told == (
        "used 6.93 MiB (1,775 pages) of 1 GiB in 3 buffers; free 1017 MiB, the largest run 1017 MiB; "
        "1 process; 1 handle not yet claimed; 1 buffer kept, of 16,384 keys"
    )
    assert repr(arena.stats()).startswith("ArenaStats(n_pages=262144, used=1775, ")
    del held, sent
