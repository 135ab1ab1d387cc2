"""Problems of other projects with views of shared memory, each as a test. Numbers are their issues."""

from __future__ import annotations

import os
import socket

import pytest

np = pytest.importorskip("numpy")


def overwrite(arena):
    """Allocate all free pages, and overwrite them."""
    taken = []
    while arena.stats().free:
        taken.append(arena.alloc(arena.stats().largest_free_bytes))
        taken[-1].view[:] = b"\xff" * taken[-1].nbytes
    return taken


WAYS = {
    "ndarray of a view": lambda buffer, n: np.ndarray((n,), "f8", buffer=buffer.view),
    "ndarray of the buffer": lambda buffer, n: np.ndarray((n,), "f8", buffer=buffer),
    "frombuffer": lambda buffer, n: np.frombuffer(buffer.view, "f8", n),
    "frombuffer, reshaped": lambda buffer, n: np.frombuffer(buffer.view, "f8").reshape(1, -1)[
        0, :n
    ],
    "array": lambda buffer, n: buffer.array((n,), "f8"),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_array_made_in_a_function_outlives_what_it_was_made_of(arena, engine, way):
    """numpy 23305, cpython 102349: a segmentation fault, or an error in `__del__`."""
    if engine == "uncompiled" and way == "ndarray of the buffer":
        pytest.skip("uncompiled, a Buffer cannot export itself")
    sent = np.random.default_rng(1).random(100)

    class Block:
        def set_array(self, array):
            buffer = arena.alloc(array.nbytes, keep="block")
            WAYS[way](buffer, len(array))[:] = array

        def get_array(self):
            return WAYS[way](arena["block"], len(sent))

    block = Block()
    block.set_array(sent)
    got = block.get_array()
    arena["block"].unkeep()
    taken = overwrite(arena)
    assert (got == sent).all()
    del taken, got
    assert arena.stats().used == 0


def test_a_variable_that_was_the_memory_becomes_an_array_of_it(arena):
    """numpy 22190."""
    memory = arena.alloc(8)
    memory = np.ndarray((1,), np.int64, buffer=memory.view)
    memory[:] = 7
    taken = overwrite(arena)
    assert str(memory) == "[7]"
    assert len(taken) > 0


def test_an_array_is_returned_by_who_attached(silent, run, Arena, lock, name):
    """numpy 18294: the name was attached to in a function, and the array was all that it returned."""
    run(
        """
        import sys, pagebuddy
        arena = pagebuddy.Arena.create(sys.argv[1], "1 MiB", lock=sys.argv[2])
        arena.alloc(8, keep="it").view[:] = bytes(range(8))
        """,
        name,
        lock,
    )

    def array_of(name):
        return np.ndarray((8,), "u1", buffer=Arena.attach(name)["it"].view)

    array = array_of(name)
    Arena.attach(name)["it"].unkeep()
    taken = overwrite(Arena.attach(name))
    assert array.tolist() == list(range(8))
    array[:] = 1
    assert Arena.attach(name).stats().free == 0
    del taken, array


def test_an_array_keeps_an_arena_that_was_closed(silent, Arena):
    """cpython 102349: closed, and all else is gone."""
    arena = Arena("1 MiB", lock="file")
    array = np.frombuffer(arena.alloc(8192).view, "u1")
    array[:] = 7
    arena.close()
    del arena
    assert (array == 7).all()


def test_closing_hides_no_error(silent, Arena):
    """cpython 115635: BufferError from close() in place of what went wrong."""
    views = []

    def fail():
        with Arena("1 MiB", lock="file") as arena, arena.alloc(5000) as buffer:
            views.append(buffer.view)
            raise ZeroDivisionError("the real one")

    with pytest.raises(ZeroDivisionError, match="the real one"):
        fail()
    views[0][:5] = b"hello"


def test_memory_under_an_array_is_closed_and_made_longer(arena):
    """cpython 115635: BufferError from `resize()` and from `close()`, "for no reason"."""
    buffer = arena.alloc(4096)
    array = np.frombuffer(buffer.view, "i8")
    array[:] = 7
    assert buffer.resize(20_000)
    longer = np.frombuffer(buffer.view, "i8")
    assert (len(array), len(longer)) == (512, 2500)
    longer[:] = 8
    assert (array == 8).all()
    buffer.release()
    second = type(arena).attach(arena.fileno())
    second.close()
    assert (longer == 8).all()


def test_memory_under_an_array_is_not_made_shorter(arena):
    """cpython 115635: this one is for a reason, which the error tells; nothing has changed then."""
    buffer = arena.alloc(20_000)
    array = np.frombuffer(buffer.view, "u1")
    with pytest.raises(BufferError, match=r"others may see the pages .* release those first"):
        buffer.resize(100)
    assert (buffer.nbytes, len(array)) == (20_000, 20_000)
    del array
    assert buffer.resize(100)
    assert arena.stats().used == 1


def test_a_view_needs_nobody_to_remember_the_memory(silent, Arena, lock):
    """cpython 155007: a view was of use only while somebody kept the object that it came from."""
    view = Arena("1 MiB", lock=lock).alloc(5).view
    view[:] = b"hello"
    assert bytes(view) == b"hello"


def test_the_descriptor_is_passed_through_a_socket(silent, start, Arena, lock):
    """cpython 155007: people passed a private attribute, there being no public way."""
    here, there = socket.socketpair()

    def part(child):
        _, (fd,), _, _ = socket.recv_fds(there, 10, 1)
        arena = Arena.attach(fd)
        os.close(fd)
        child.say(bytes(arena["it"].view))
        arena.alloc(3, keep="answer").view[:] = b"hey"

    # Before there is an arena, so that it inherits none.
    child = start(part)
    arena = Arena("1 MiB", lock=lock)
    arena.alloc(5, keep="it").view[:] = b"hello"
    socket.send_fds(here, [b"arena"], [arena.fileno()])
    assert child.hear() == "b'hello'"
    assert child.wait() == 0
    assert bytes(arena["answer"].view) == b"hey"
    for end in (here, there):
        end.close()


def test_a_buffer_grows_and_shrinks(arena):
    """cpython 155007: grown by hand, with ftruncate, and mapped anew."""
    buffer = arena.alloc(5000)
    assert buffer.resize(500_000)
    assert buffer.resize(100)
    assert arena.stats().used == 1


def test_anonymous_memory_is_a_memfd(silent, Arena):
    """cpython 81366."""
    arena = Arena("1 MiB", lock="file")
    assert os.readlink(f"/proc/self/fd/{arena.fileno()}").startswith("/memfd:")
