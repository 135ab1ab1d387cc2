"""Copies to look at: true, and taken without anybody noticing."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import pytest

from pagebuddy.arena.looking.snapshot import Snapshot
from pagebuddy.core.words import FIRST_NODE, H_MASK
from pagebuddy.errors import CorruptMetadata

# Allocates and frees as fast as it can until it is killed.
WORKS = """
import sys
import pagebuddy
arena = pagebuddy.Arena.attach(sys.argv[1])
live, sizes = [], [1, 20_000, 5000, 9000, 30_000, 4096]
for i in range(1 << 60):
    live.append(arena.alloc(sizes[i % 6], keep=True if i % 5 == 0 else None))
    if len(live) > 20:
        buffer = live.pop(i * 7 % 20)
        if (i - 20) % 3 == 0:
            buffer.resize(buffer.nbytes + 4096)
        if arena.stats().kept > 10:
            for row in list(arena.buffers()):
                if row.kept:
                    arena.buffer_at(row.offset).unkeep()
    if i == 100:
        print("working", flush=True)
"""


def test_it_tells_what_the_arena_tells(Arena, name):
    with Arena.create(name, "1 MiB") as arena:
        buffers = [arena.alloc(n) for n in (1, 5000, 100_000, 4096, 70_000)]
        buffers[2].keep("weights")
        handle = pickle.dumps(buffers[3])
        del buffers[1]
        with Snapshot(f"/dev/shm/{name}") as snapshot:
            assert snapshot.stats() == arena.stats()
            assert list(snapshot.buffers()) == list(arena.buffers())
            (mine,), (seen,) = arena.processes(), snapshot.processes()
            assert (seen.slot, seen.pid, seen.alive, seen.buffers, seen.nbytes) == (
                mine.slot,
                os.getpid(),
                True,
                mine.buffers,
                mine.nbytes,
            )
            snapshot.verify()
        pickle.loads(handle)


def test_nothing_changes_and_no_slot_is_taken(arena, name, die):
    buffer = arena.alloc(5000)
    die(5000)
    path = Path("/dev/shm", name)
    before = path.read_bytes()
    with Snapshot(str(path)) as snapshot:
        assert (snapshot.stats().processes, snapshot.stats().dead) == (2, 1)
        assert snapshot.stats().n_spans == 2
        assert not {"alloc", "reap", "trim", "flush", "record"} & set(dir(snapshot))
    assert path.read_bytes() == before
    assert (arena.stats().processes, arena.stats().dead) == (2, 1)
    del buffer


@pytest.mark.alone
def test_no_descriptor_is_left(arena, name, tmp_path):
    def open_files():
        return len(os.listdir("/proc/self/fd"))

    before = open_files()
    with Snapshot(f"/dev/shm/{name}"):
        pass
    (tmp_path / "short").write_bytes(Path("/dev/shm", name).read_bytes()[:5000])
    with pytest.raises(CorruptMetadata, match="as long as its header says"):
        Snapshot(str(tmp_path / "short"))
    (tmp_path / "shorter").write_bytes(Path("/dev/shm", name).read_bytes()[:20])
    with pytest.raises(CorruptMetadata, match="at least as long as a header"):
        Snapshot(str(tmp_path / "shorter"))
    assert open_files() == before


def test_what_contradicts_the_records_is_made_anew(arena, name):
    """As it may in a copy that others were at work in."""
    buffer = arena.alloc(5000)
    stats = arena.stats()
    arena._attachment.memory[arena._attachment.layout.metadata_at + H_MASK] += 7
    with Snapshot(f"/dev/shm/{name}") as snapshot:
        snapshot.verify()
        assert snapshot.stats() == stats
    with Snapshot(f"/dev/shm/{name}", mend=False) as snapshot, pytest.raises(CorruptMetadata):
        snapshot.verify()
    del buffer


def test_records_of_two_moments_are_copied_again(arena, name):
    """A thread makes the arena look so that a copy is good for nothing, again and again."""
    buffer = arena.alloc(5000)
    layout, words = arena._attachment.layout, arena._attachment.memory
    at = layout.metadata_at + layout.geometry.records_at + FIRST_NODE + buffer.offset // 4096
    record = words[at]
    done = Event()

    def contradict():
        while not done.is_set():
            words[at] = record | 0x7000_0000 << 32
            words[at] = record

    thread = Thread(target=contradict)
    thread.start()
    try:
        for _ in range(10):
            with Snapshot(f"/dev/shm/{name}") as snapshot:
                assert snapshot.stats().used == 2
    finally:
        done.set()
        thread.join()
    words[at] = record | 0x7000_0000 << 32
    with pytest.raises(CorruptMetadata):
        Snapshot(f"/dev/shm/{name}")
    words[at] = record
    del buffer


def test_others_are_at_work_meanwhile(arena, name, surroundings, effort):
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKS, name], env=surroundings, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    try:
        assert worker.stdout.readline() == "working\n"
        seen = set()
        for _ in range(effort.pick(30, 100)):
            with Snapshot(f"/dev/shm/{name}") as snapshot:
                stats = snapshot.stats()
                assert stats.used + stats.free == stats.n_pages
                assert stats.used == sum(row.n_pages for row in snapshot.buffers())
                snapshot.verify()
                seen.add(stats.used)
        assert len(seen) > 1
        assert worker.poll() is None
    finally:
        worker.kill()
        worker.communicate()
