"""Buffers and arenas sent through pipes, queues and pools, with every method to start a process."""

from __future__ import annotations

import pytest

# How the arena is attached to, and how processes are started.
WAYS = [
    ("anonymous", "fork"),
    ("anonymous", "spawn"),
    pytest.param(("anonymous", "forkserver"), marks=pytest.mark.soak),
    ("named", "spawn"),
    ("file", "forkserver"),
]

PARTS = """
    import multiprocessing, os, pickle, socket, sys
    from concurrent.futures import ProcessPoolExecutor
    import pagebuddy

    def double(buffer):
        view = buffer.view
        for i in range(8):
            view[i] *= 2
        return buffer

    def from_queue(arena, asked, answered):
        for buffer in iter(asked.get, None):
            answered.put(double(buffer))

    def from_pipe(arena, pipe):
        pipe.send(double(pipe.recv()))

    def double_all(arena, buffers):
        for buffer in buffers:
            double(buffer)

    def allocated(arena, n):
        buffer = arena.alloc(8)
        buffer.view[:] = bytes([n]) * 8
        return buffer

    def remember(arena):
        global ARENA
        ARENA = arena

    def allocated_by_worker(n):
        return allocated(ARENA, n)

    def numbered(arena):
        buffer = arena.alloc(8)
        buffer.view[:] = bytes(range(8))
        return buffer

    def look_at_both(*both):
        buffer, arena = both if isinstance(both[0], pagebuddy.Buffer) else both[::-1]
        assert bytes(buffer.view) == bytes(range(8)), both
        assert next(arena.buffers()).offset == buffer.offset

    EXPECTED = bytes(range(0, 16, 2))
    METHOD, KIND, NAME = sys.argv[1:]

    def made():
        if KIND == "anonymous":
            return pagebuddy.Arena("1 MiB")
        if KIND == "named":
            return pagebuddy.Arena.create(NAME, "1 MiB")
        return pagebuddy.Arena.file(NAME, "1 MiB")

    def main(arena, start):
        {main}

    if __name__ == "__main__":
        arena = made()
        main(arena, multiprocessing.get_context(METHOD))
        arena.reap()
        arena.verify()
        print(arena.stats().used, arena.stats().tickets, len(arena.processes()))
"""


@pytest.fixture(params=WAYS, ids=" by ".join)
def passed(request, run, name, tmp_path):
    """Run a program that sends buffers of an arena, and check that it leaves nothing behind."""

    def passed(main):
        kind, method = request.param
        place = {"anonymous": "-", "named": name, "file": tmp_path / "store"}[kind]
        said = run(PARTS.replace("{main}", main.strip()), method, kind, place)
        assert said == "0 0 1\n"

    return passed


def test_buffers_can_be_sent_through_a_pipe(passed):
    passed("""
        here, there = start.Pipe()
        process = start.Process(target=from_pipe, args=(arena, there))
        process.start()
        there.close()
        here.send(numbered(arena))
        assert bytes(here.recv().view) == EXPECTED
        process.join()
        assert process.exitcode == 0
    """)


def test_buffers_can_be_sent_through_queues(passed):
    passed("""
        asked, answered = start.Queue(), start.Queue()
        process = start.Process(target=from_queue, args=(arena, asked, answered))
        process.start()
        for _ in range(20):
            asked.put(numbered(arena))
        for _ in range(20):
            assert bytes(answered.get().view) == EXPECTED
        asked.put(None)
        process.join()
        assert process.exitcode == 0
    """)


def test_buffers_can_be_sent_through_a_pool(passed):
    passed("""
        with start.Pool(2, initializer=remember, initargs=(arena,)) as pool:
            for buffer in pool.imap(double, [numbered(arena) for _ in range(20)]):
                assert bytes(buffer.view) == EXPECTED
            for n, buffer in enumerate(pool.map(allocated_by_worker, range(20))):
                assert bytes(buffer.view) == bytes([n]) * 8
            buffer = None
            pool.close()
            pool.join()
    """)


@pytest.mark.one_engine
def test_by_a_pool_whose_workers_do_not_have_the_arena(passed):
    passed("""
        with start.Pool(2) as pool:
            for buffer in pool.map(double, [numbered(arena) for _ in range(20)]):
                assert bytes(buffer.view) == EXPECTED
            buffer = None
            pool.close()
            pool.join()
    """)


@pytest.mark.one_engine
@pytest.mark.parametrize("order", ["(buffer, arena)", "(arena, buffer)"])
def test_an_arena_and_its_buffer_in_any_order(passed, order):
    passed(
        """
        buffer = numbered(arena)
        process = start.Process(target=look_at_both, args=ORDER)
        process.start()
        process.join()
        assert process.exitcode == 0
        with start.Pool(1) as pool:
            pool.apply(look_at_both, ORDER)
            pool.close()
            pool.join()
        buffer = None
    """.replace("ORDER", order)
    )


def test_buffers_can_be_sent_through_an_executor(passed):
    passed("""
        options = dict(mp_context=start, initializer=remember, initargs=(arena,))
        with ProcessPoolExecutor(2, **options) as pool:
            for buffer in pool.map(double, [numbered(arena) for _ in range(20)]):
                assert bytes(buffer.view) == EXPECTED
            for n, buffer in enumerate(pool.map(allocated_by_worker, range(20))):
                assert bytes(buffer.view) == bytes([n]) * 8
    """)


def test_buffers_can_be_arguments_of_a_process(passed):
    passed("""
        buffers = [numbered(arena) for _ in range(3)]
        process = start.Process(target=double_all, args=(arena, buffers))
        process.start()
        process.join()
        assert process.exitcode == 0
        assert all(bytes(buffer.view) == EXPECTED for buffer in buffers)
    """)
