"""Problems of other projects with descriptors and slow memory, each as a test. Numbers are their issues.

No times are measured here; the benchmarks do that.
"""

from __future__ import annotations

import os
import pickle
import resource
from pathlib import Path

import pytest

from pagebuddy.memory.huge import transparent_is_possible

PAGE = 4096


def descriptors():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.alone
def test_buffers_cost_no_descriptors(arena):
    """pytorch 973."""
    before = descriptors()
    buffers = [arena.alloc(1) for _ in range(200)]
    sent = [pickle.dumps(buffer) for buffer in buffers]
    claimed = [pickle.loads(data) for data in sent]
    views = [buffer.view for buffer in claimed]
    assert len(views) == 200
    assert descriptors() == before


def test_everything_that_a_worker_sent_arrives(run):
    """pytorch 973, 11201: "received 0 items of ancdata", "too many open files", with `ulimit -n 64`."""
    said = run(
        """
        import multiprocessing, os, resource
        import pagebuddy

        def work(arena, queue):
            for n in range(1000):
                buffer = arena.alloc(8)
                buffer.view[:] = n.to_bytes(8, "little")
                queue.put(buffer)

        if __name__ == "__main__":
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            start = multiprocessing.get_context("fork")
            arena, queue = pagebuddy.Arena("8 MiB"), start.Queue()
            worker = start.Process(target=work, args=(arena, queue))
            worker.start()
            before = len(os.listdir("/proc/self/fd"))
            received = [queue.get() for _ in range(1000)]
            assert len(os.listdir("/proc/self/fd")) == before
            worker.join()
            print([int.from_bytes(buffer.view, "little") for buffer in received] == list(range(1000)))
        """
    )
    assert said == "True\n"


def test_a_pool_returns_many_small_arrays(run):
    """pytorch 11899: ten jobs returned a hundred arrays each."""
    pytest.importorskip("numpy")
    said = run(
        """
        import resource
        import numpy as np
        import pagebuddy

        def work(n):
            return [np.full(1000, n + i) for i in range(100)]

        if __name__ == "__main__":
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            with pagebuddy.ArenaExecutor(1, arena=pagebuddy.Arena("32 MiB")) as pool:
                lists = list(pool.map(work, range(10)))
            print({int(array[-1]) - n for n, arrays in enumerate(lists) for array in arrays}
                  == set(range(100)))
        """
    )
    assert said == "True\n"


@pytest.mark.alone
def test_attaching_and_detaching_leave_no_open_files(silent, Arena, lock, effort):
    """pytorch 11201: too many open files."""
    before = None
    for _ in range(effort.pick(30, 200)):
        arena = Arena("1 MiB", lock=lock)
        arena.alloc(5000)
        del arena
        before = before or descriptors()
    assert descriptors() == before


@pytest.mark.parametrize("kind", ["anonymous", "named", "file"])
def test_creating_a_large_arena_writes_almost_nothing(silent, Arena, name, tmp_path, kind):
    """cpython 75102: 4 GB of zeros were first written to a file."""
    arena = {
        "anonymous": Arena,
        "named": lambda size: Arena.create(name, size),
        "file": lambda size: Arena.file(tmp_path / "store", size),
    }[kind]("4 GiB")
    assert os.fstat(arena.fileno()).st_blocks * 512 < 1 << 20


def faults_while(act):
    """Return the number of pages that had to be mapped during a call."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    act()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_a_buffer_allocated_again_has_the_same_mapped_pages(arena):
    """sharedmem 15, spdl 1521, 1522, 1525: the first access to each new segment was slow."""

    def use(n_bytes=128 * PAGE):
        buffer = arena.alloc(n_bytes)
        buffer.view[::PAGE] = b"x" * 128
        return buffer.offset

    offsets = {use()}

    def use_again():
        for _ in range(20):
            offsets.add(use())

    assert faults_while(use_again) < 128
    assert len(offsets) == 1


def test_pages_are_freed_with_the_last_view(arena):
    """spdl 1521: a segment may be reused only when every view of it is gone, also slices of views."""
    for _ in range(1000):
        view = arena.alloc(arena.size).view[100:200]
        view[0] = 1
        assert arena.stats().free == 0
        del view
    assert arena.stats().used == 0


def test_large_pages_are_requested_or_refused(silent, Arena):
    """numpy 27483: memory silently got no large pages."""
    if not transparent_is_possible():
        with pytest.raises(ValueError, match="no effect on this machine"):
            Arena("4 MiB", lock="file", huge="transparent")
        return
    arena = Arena("4 MiB", lock="file", huge="transparent")
    address = f"{arena._attachment.medium.address:x}-"
    mapped = Path("/proc/self/smaps").read_text().split(f"\n{address}", 1)[1]
    flags = next(line for line in mapped.splitlines() if line.startswith("VmFlags:"))
    assert "hg" in flags.split()


def test_arrays_are_sent_without_copying_their_bytes(arena):
    """cpython 89467, joblib 1094, dask 7427: pickling copied the bytes of arrays again and again."""
    np = pytest.importorskip("numpy")
    array = arena.full((100_000,), 7, "u1")
    before = arena.stats().used
    data = arena.dumps({"array": array, "rows": array.reshape(100, -1)[3:5]})
    assert len(data) < 1000
    loaded = arena.loads(data)
    assert arena.stats().used == before
    array[:] = 8
    assert (loaded["array"] == 8).all()
    assert (loaded["rows"] == np.full((2, 1000), 8, "u1")).all()


def test_a_handle_is_small_whatever_the_size_of_its_buffer(arena):
    """joblib 1094: the size of the data sent through the pipe."""
    lengths = {len(pickle.dumps(arena.alloc(n))) for n in (1, 100_000, arena.size // 2)}
    assert max(lengths) < 150
