"""Sending an arena, attaching to it twice, and sending buffers through plain sockets."""

from __future__ import annotations

import pickle
import socket
import threading

import pytest

from pagebuddy.errors import StaleHandle


def test_attaching_twice_by_descriptor_gives_one_attachment(arena, Arena):
    again = Arena.attach(arena.fileno())
    assert len(arena.processes()) == 1
    assert again.processes()[0].slot == arena.processes()[0].slot
    buffer = again.alloc(4096)
    buffer.view[:5] = b"hello"
    assert bytes(arena.buffer_at(buffer.offset).view[:5]) == b"hello"
    again.close()
    assert arena.stats().n_spans == 1
    assert bytes(buffer.view[:5]) == b"hello"
    assert not arena.closed
    del buffer
    assert arena.stats().used == 0


def test_attaching_twice_by_name_gives_one_attachment(silent, Arena, lock, name):
    arena = Arena.create(name, "1 MiB", lock=lock)
    again, third = Arena.attach(name), Arena.open(name, "1 MiB")
    assert len({one.processes()[0].slot for one in (arena, again, third)}) == 1
    assert len(arena.processes()) == 1


def test_threads_that_attach_at_the_same_time_are_one_process(silent, Arena, lock, name):
    Arena.create(name, "1 MiB", lock=lock).close()
    ready = threading.Barrier(8)
    arenas = []

    def attach():
        ready.wait()
        arenas.append(Arena.attach(name))

    threads = [threading.Thread(target=attach) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(arenas) == 8
    assert len(arenas[0].processes()) == 1


def test_unrelated_processes_can_exchange_buffers_by_socket(silent, start, Arena, lock, name):
    here, there = socket.socketpair()

    def part(child):
        mine = Arena.attach(child.hear())
        buffer = pickle.loads(there.recv(1000))
        buffer.view[:5] = b"world"
        there.send(pickle.dumps(buffer))
        child.hear()
        del mine

    with here, there:
        child = start(part)
        arena = Arena.create(name, "1 MiB", lock=lock)
        buffer = arena.alloc(5)
        buffer.view[:] = b"hello"
        child.say(name)
        here.send(pickle.dumps(buffer))
        answer = pickle.loads(here.recv(1000))
        assert (answer.offset, bytes(answer.view), bytes(buffer.view)) == (0, b"world", b"world")
        child.say("end")
        child.wait()
    arena.reap()
    arena.verify()


def test_an_anonymous_arena_can_be_sent_as_a_descriptor(silent, start, Arena, lock):
    here, there = socket.socketpair()

    def part(child):
        _, (fd,), _, _ = socket.recv_fds(there, 1, 1)
        mine = Arena.attach(fd)
        child.say(bytes(mine["weights"].view))
        child.hear()

    with here, there:
        child = start(part)
        arena = Arena("1 MiB", lock=lock)
        arena.alloc(5, keep="weights", zero=True)
        socket.send_fds(here, [b"x"], [arena.fileno()])
        assert child.hear() == str(bytes(5))
        assert len(arena.processes()) == 2
        child.say("end")
        child.wait()
    arena.reap()
    assert len(arena.processes()) == 1


def test_a_named_arena_is_sent_as_its_name(run, name, lock):
    said = run(
        """
        import pickle, sys, pagebuddy
        name, lock = sys.argv[1:]
        arena = pagebuddy.Arena.create(name, "1 MiB", lock=lock)
        data = pickle.dumps(arena)
        again = pickle.loads(data)
        print(type(again) is pagebuddy.Arena, len(arena.processes()), len(data) < 200)
        again.close()
        arena.unlink()
        print(pickle.loads(data).size)
        arena.close()
        del arena, again
        try:
            pickle.loads(data)
        except pagebuddy.StaleHandle as error:
            print("gone", name in str(error))
        """,
        name,
        lock,
    )
    assert said.splitlines() == ["True 1 True", "1048576", "gone True"]


def test_an_arena_of_one_process_cannot_be_sent(silent, Arena):
    arena = Arena.over(bytearray(1 << 20))
    with pytest.raises((ValueError, TypeError)):
        pickle.dumps(arena)
    buffer = arena.alloc(5)
    with pytest.raises((StaleHandle, ValueError)):
        pickle.loads(pickle.dumps(buffer))
    arena.verify()


def test_a_closed_arena_cannot_be_sent(arena, Arena):
    closed = Arena.attach(arena.fileno())
    closed.close()
    with pytest.raises(ValueError, match="closed"):
        pickle.dumps(closed)
