"""Frames pass between processes: through queues, topics, a pool and by key.

python between_processes.py START_METHOD
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys

import polars as pl

import pagebuddy as pb

N = 50_000


def is_in(arena, frame):
    base, n_bytes = arena._open.extent
    columns = frame.to_arrow(compat_level=pl.CompatLevel.newest()).columns
    buffers = (each for column in columns for chunk in column.chunks for each in chunk.buffers())
    return all(base <= each.address < base + n_bytes for each in buffers if each is not None)


def work(name):
    # This process does not import the adapter: what it receives does.
    arena = pb.Arena.open(name, "64 MiB")
    tasks, done = arena.queue("tasks"), arena.queue("done")
    topic = arena.topic("news", history=4)
    while (frame := tasks.get()) is not None:
        assert is_in(arena, frame)
        done.put(frame[100:])
        topic.publish(frame["text"])
        received = frame
    arena.objects["kept"] = received
    done.put(None)


def wait(name):
    arena = pb.Arena.open(name, "64 MiB")
    frame = arena.queue("tasks").get()
    assert is_in(arena, frame)
    arena.queue("done").put("got it")
    signal.pause()


def offsets(arena):
    return {row.offset for row in arena.buffers() if not row.kept}


def total(frame):
    return frame.select(pl.col("number") * 2)


def main(method):
    import pagebuddy.adapters.polars  # noqa: F401

    context = multiprocessing.get_context(method)
    name = f"pagebuddy-test-{os.getpid()}-polars"
    arena = pb.Arena.open(name, "64 MiB")
    try:
        frame = pl.DataFrame(
            {"number": range(N), "text": [f"some longer text {i}" for i in range(N)]}
        )
        tasks, done = arena.queue("tasks"), arena.queue("done")
        worker = context.Process(target=work, args=(name,))
        worker.start()
        with arena.topic("news", history=4).subscribe() as news:
            for _ in range(3):
                before = offsets(arena)
                tasks.put(frame)
                found = done.get()
                assert found.equals(frame[100:])
                assert is_in(arena, found)
                text = news.get()
                assert text.equals(frame["text"])
                assert is_in(arena, text.to_frame())
                # The worker sent on what it had received.
                assert len(offsets(arena) - before) == 1
            tasks.put(None)
            assert done.get() is None
        worker.join()
        kept = arena.objects.pop("kept")
        assert kept.equals(frame)
        assert is_in(arena, kept)

        # A killed worker keeps nothing.
        worker = context.Process(target=wait, args=(name,))
        worker.start()
        tasks.put(frame)
        assert done.get() == "got it"
        worker.kill()
        worker.join()

        with pb.ArenaExecutor(1, arena=arena, mp_context=context) as pool:
            for found in pool.map(total, [frame, frame]):
                assert found.equals(total(frame))
                assert is_in(arena, found)
        topic = arena.topic("news")
        for each in (tasks, done, topic):
            each.unlink()
        del found, text, kept, tasks, done, topic, news, each
        gc.collect()
        arena.reap()
        print(f"all arrived in place; {arena.stats().used_bytes} bytes in use")
    finally:
        arena.unlink()


if __name__ == "__main__":
    main(sys.argv[1])
