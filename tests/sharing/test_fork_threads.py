"""Forks in one thread while others use the arena, and forks inside operations."""

from __future__ import annotations

import os
import threading

import pytest

PATTERN = bytes(range(256)) * 16


def allocate_until(arena, over, errors):
    """Allocate and release buffers until told to stop."""
    try:
        held = []
        while not over.is_set():
            buffer = arena.alloc(len(PATTERN))
            buffer.view[:] = PATTERN
            held.append(buffer)
            del buffer
            if len(held) == 20:
                assert all(bytes(each.view) == PATTERN for each in held)
                held.clear()
    except BaseException as error:
        errors.append(error)


def test_forks_succeed_while_other_threads_allocate(arena, engine, effort):
    over, errors = threading.Event(), []
    threads = [
        threading.Thread(target=allocate_until, args=(arena, over, errors)) for _ in range(3)
    ]
    mine = arena.alloc(len(PATTERN))
    mine.view[:] = PATTERN
    for thread in threads:
        thread.start()
    statuses = []
    for _ in range(effort.pick(30, 100 if engine == "compiled" else 40)):
        pid = os.fork()
        if not pid:
            # The other threads do not exist here, and no lock that they held blocks the child.
            for _ in range(20):
                other = arena.alloc(len(PATTERN))
                other.view[:] = b"\xff" * len(PATTERN)
            arena.verify()
            os._exit(bytes(mine.view) != PATTERN)
        statuses.append(os.waitpid(pid, 0)[1])
    over.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert set(statuses) == {0}
    arena.reap()
    arena.verify()
    assert [row.sticky for row in arena.processes()] == [False]
    del mine
    assert arena.stats().used == 0


def test_two_threads_can_fork_at_the_same_time(arena):
    mine = arena.alloc(len(PATTERN))
    mine.view[:] = PATTERN
    statuses = []

    def fork_often():
        for _ in range(30):
            pid = os.fork()
            if not pid:
                arena.alloc(len(PATTERN)).view[:] = b"\xff" * len(PATTERN)
                os._exit(bytes(mine.view) != PATTERN)
            statuses.append(os.waitpid(pid, 0)[1])

    threads = [threading.Thread(target=fork_often) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [0] * 60
    arena.reap()
    assert [row.sticky for row in arena.processes()] == [False]


def test_forks_succeed_while_another_thread_attaches(silent, Arena, lock, name):
    Arena.create(name, "1 MiB", lock=lock).close()
    over, errors = threading.Event(), []

    def attach_often():
        try:
            while not over.is_set():
                arena = Arena.attach(name)
                arena.alloc(4096)
                del arena
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=attach_often)
    thread.start()
    statuses = []
    for _ in range(40):
        pid = os.fork()
        if not pid:
            arena = Arena.attach(name)
            arena.alloc(4096)
            os._exit(0)
        statuses.append(os.waitpid(pid, 0)[1])
    over.set()
    thread.join()
    assert errors == []
    assert set(statuses) == {0}
    arena = Arena.attach(name)
    arena.reap()
    assert arena.stats().used == 0
    assert len(arena.processes()) == 1
    arena.verify()


def test_a_child_forked_inside_an_uncompiled_operation_must_attach_again(run, engine):
    """The child cannot access the words; the parent continues."""
    if engine == "compiled":
        pytest.skip("compiled, no code of the interpreter runs inside an operation")
    said = run(
        """
        import os
        import pagebuddy
        from pagebuddy.sharing.operations import dispatch, buffers

        arena = pagebuddy.Arena("1 MiB")
        buffer = arena.alloc(4096)
        buffer.view[:5] = b"hello"
        end_hold = dispatch.end_hold
        pid = None

        def forking(a, node):
            global pid
            if pid is None:
                pid = os.fork()
            end_hold(a, node)

        dispatch.end_hold = forking
        other = arena.alloc(4096)
        try:
            arena._attachment.perform(arena._attachment.request(node=other.offset // 4096 + 64), 2)
        except RuntimeError as error:
            if pid:
                raise
            try:
                arena.stats()
            except ValueError:
                print(error, bytes(buffer.view[:5]), flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
        arena.verify()
        print(arena.stats().n_spans)
        """
    )
    assert "cannot use it; attach it again b'hello'" in said
