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
def test_an_array_made_in_a_function_outlives_its_local_variables(arena, engine, way):
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


def test_a_variable_of_the_memory_can_be_rebound_to_its_array(arena):
    """numpy 22190."""
    memory = arena.alloc(8)
    memory = np.ndarray((1,), np.int64, buffer=memory.view)
    memory[:] = 7
    taken = overwrite(arena)
    assert str(memory) == "[7]"
    assert len(taken) > 0


def test_a_function_can_attach_and_return_an_array(silent, run, Arena, lock, name):
    """numpy 18294: a function attached by name and returned only an array."""
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


def test_an_array_stays_valid_when_the_arena_is_closed(silent, Arena):
    """cpython 102349: the arena is closed, and only the array is left."""
    arena = Arena("1 MiB", lock="file")
    array = np.frombuffer(arena.alloc(8192).view, "u1")
    array[:] = 7
    arena.close()
    del arena
    assert (array == 7).all()


def test_closing_does_not_hide_an_error(silent, Arena):
    """cpython 115635: BufferError from close() replaced the original error."""
    views = []

    def fail():
        with Arena("1 MiB", lock="file") as arena, arena.alloc(5000) as buffer:
            views.append(buffer.view)
            raise ZeroDivisionError("the real one")

    with pytest.raises(ZeroDivisionError, match="the real one"):
        fail()
    views[0][:5] = b"hello"


def test_an_arena_with_an_array_can_be_closed_and_its_buffer_grown(arena):
    """cpython 115635: `resize()` and `close()` raised BufferError without need."""
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


def test_a_buffer_with_an_array_cannot_shrink(arena):
    """cpython 115635: here BufferError is needed. The message says why, and nothing has changed."""
    buffer = arena.alloc(20_000)
    array = np.frombuffer(buffer.view, "u1")
    with pytest.raises(BufferError, match=r"others may see the pages .* release those first"):
        buffer.resize(100)
    assert (buffer.nbytes, len(array)) == (20_000, 20_000)
    del array
    assert buffer.resize(100)
    assert arena.stats().used == 1


def test_a_view_keeps_its_memory_by_itself(silent, Arena, lock):
    """cpython 155007: a view was valid only as long as the object was kept that it came from."""
    view = Arena("1 MiB", lock=lock).alloc(5).view
    view[:] = b"hello"
    assert bytes(view) == b"hello"


def test_the_descriptor_can_be_sent_through_a_socket(silent, start, Arena, lock):
    """cpython 155007: there was no public way, so people sent a private attribute."""
    here, there = socket.socketpair()

    def part(child):
        _, (fd,), _, _ = socket.recv_fds(there, 10, 1)
        arena = Arena.attach(fd)
        os.close(fd)
        child.say(bytes(arena["it"].view))
        arena.alloc(3, keep="answer").view[:] = b"hey"

    # Started before the arena exists, so that it does not inherit it.
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
    """cpython 155007: people used ftruncate and mapped the memory again."""
    buffer = arena.alloc(5000)
    assert buffer.resize(500_000)
    assert buffer.resize(100)
    assert arena.stats().used == 1


def test_anonymous_memory_is_a_memfd(silent, Arena):
    """cpython 81366."""
    arena = Arena("1 MiB", lock="file")
    assert os.readlink(f"/proc/self/fd/{arena.fileno()}").startswith("/memfd:")
