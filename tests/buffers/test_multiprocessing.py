"""multiprocessing sends arrays in shared arenas as handles, and everything else as before."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
from multiprocessing.connection import Listener
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest

import pagebuddy
from pagebuddy import Arena, StaleHandle, share_arrays
from pagebuddy.sharing.words import TICKET_LIFE, TIED

np = pytest.importorskip("numpy")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="arenas are shared on Linux")

PROGRAM = Path(__file__).parent / "programs" / "sharing_by_multiprocessing.py"
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@pytest.fixture
def arena():
    arena = Arena("1 MiB")
    arena.zeros(1)
    yield arena
    share_arrays()
    arena.reap(unclaimed_after=0)
    assert arena.stats().used_bytes == 0
    arena.verify()


def sent(thing, protocol=None):
    return bytes(ForkingPickler.dumps(thing, protocol))


def sent_before(thing, protocol):
    """What the pickler makes without handles."""
    share_arrays(False)
    try:
        return sent(thing, protocol)
    finally:
        share_arrays()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_arrays_travel_without_being_copied_through_any_pipe_or_pool(method):
    name = f"pagebuddy-test-{os.getpid()}-{method}"
    run = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", PROGRAM, method, name],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("ok\n", "")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "make",
    [
        lambda arena: arena.full((30, 40), 5, "i4"),
        lambda arena: arena.full((30, 40), 5, "i4")[::2, ::-3],
        lambda arena: arena.full((30, 40), 5, "i4").T[3:],
        lambda arena: arena.zeros(4, [("a", "i1"), ("b", "f8", 2)]),
        lambda arena: np.broadcast_to(arena.full(1, 7.0), (3, 4)),
        lambda arena: arena.zeros(3, "M8[s]"),
    ],
)
def test_an_array_in_the_arena_arrives_over_the_same_memory(arena, make, protocol):
    array = make(arena)
    arrived = pickle.loads(sent(array, protocol))
    assert (arrived.shape, arrived.strides, arrived.dtype) == (
        array.shape,
        array.strides,
        array.dtype,
    )
    assert arrived.__array_interface__["data"] == array.__array_interface__["data"]
    assert arrived.flags.writeable == array.flags.writeable
    assert arena.stats().tickets == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_everything_else_has_the_same_pickle_as_before(arena, protocol, tmp_path):
    here = arena.zeros(100)
    things = [
        np.arange(100),
        np.arange(100)[::3],
        here[:0],
        np.array([1, "two", None], dtype=object),
        here.view(np.matrix),
        np.ma.masked_array(here, here == 0),
        np.memmap(tmp_path / "file", "u1", "w+", shape=100),
        [1, "text", {"a": (None, 2.5)}, sent_before, int],
    ]
    for thing in things:
        assert sent(thing, protocol) == sent_before(thing, protocol)
    assert arena.stats().tickets == 0


def test_an_array_in_an_arena_of_one_process_is_copied():
    arena = Arena.over(bytearray(1 << 20))
    array = arena.zeros(1000)
    assert len(sent(array)) > array.nbytes
    assert arena.stats().tickets == 0


def test_an_array_that_lies_half_in_a_buffer_is_copied(arena):
    buffer = arena.alloc(4096)
    more = arena.alloc(4096)
    address = np.frombuffer(buffer.view, "u1").__array_interface__["data"][0]
    two = type("Two", (), {})()
    two.__array_interface__ = {
        "data": (address, False),
        "shape": (8192,),
        "typestr": "|u1",
        "version": 3,
    }
    both = np.asarray(two)
    assert len(sent(both)) > 8192
    assert arena.stats().tickets == 0
    assert more.nbytes == 4096


def test_share_arrays_turns_handles_off_and_on(arena):
    array = arena.zeros(1000)
    assert len(sent(array)) < 500
    share_arrays(False)
    assert len(sent(array)) > array.nbytes
    # A new arena does not turn it on again.
    assert len(sent(Arena("1 MiB").zeros(1000))) > 8000
    share_arrays()
    assert len(sent(array)) < 500


def test_a_reducer_of_another_library_is_asked_for_everything_else(arena):
    share_arrays(False)
    theirs = str, ("theirs",)
    ForkingPickler.reducer_override = lambda self, thing: (
        theirs if isinstance(thing, np.ndarray) else NotImplemented
    )
    try:
        share_arrays()
        assert pickle.loads(sent(np.zeros(3))) == "theirs"
        assert pickle.loads(sent(arena.zeros(3))).tolist() == [0, 0, 0]
        share_arrays(False)
        assert pickle.loads(sent(arena.zeros(3))) == "theirs"
    finally:
        del ForkingPickler.reducer_override
        pagebuddy.buffers.forking_pickler._before = None


def test_plain_pickle_copies(arena):
    array = arena.zeros(1000)
    assert not np.shares_memory(pickle.loads(pickle.dumps(array)), array)
    file = io.BytesIO()
    pickle.Pickler(file).dump(array)
    assert len(file.getvalue()) > array.nbytes


def test_a_handle_is_tied_to_its_sender(arena):
    data = sent(arena.zeros(1000))
    layout = arena._attachment.layout
    assert arena._attachment.memory[layout.tickets_at + TICKET_LIFE] == TIED
    assert pickle.loads(data).shape == (1000,)


def test_a_handle_that_cannot_be_received_names_the_way_out(arena):
    data = sent(arena.zeros(1000))
    pickle.loads(data)
    with pytest.raises(StaleHandle, match=r"share_arrays\(False\)"):
        pickle.loads(data)


# Connects to a port, receives an array, and sends a part of it back.
OVER_THE_NETWORK = """
import sys
from multiprocessing.connection import Client
with Client(("127.0.0.1", int(sys.argv[1])), authkey=b"key") as connection:
    array = connection.recv()
    array += 1
    connection.send(array[::2])
    connection.recv()
"""


@pytest.mark.parametrize("kind", ["anonymous", "named"])
def test_an_array_travels_through_a_socket_of_the_network(kind, name):
    arena = Arena("1 MiB") if kind == "anonymous" else Arena.create(name, "1 MiB")
    array = arena.zeros(10_000)
    with Listener(("127.0.0.1", 0), family="AF_INET", authkey=b"key") as listener:
        port = str(listener.address[1])
        receiver = subprocess.Popen([sys.executable, "-c", OVER_THE_NETWORK, port])
        with listener.accept() as connection:
            connection.send(array)
            half = connection.recv()
            assert (array == 1).all()
            assert np.shares_memory(half, array)
            connection.send("end")
        assert receiver.wait(timeout=60) == 0
    assert arena.stats().tickets == 0
    if kind == "named":
        arena.unlink()


# joblib's default workers: the pickler is not that of multiprocessing.
WITH_LOKY = """
import sys, joblib
import numpy as np
from pagebuddy import Arena

def double(buffer, array):
    buffer.array()[:] *= 2
    return float(array.sum()), type(array).__name__

arena = Arena.create(sys.argv[1], "8 MiB")
buffers = [arena.alloc(100) for _ in range(2)]
for buffer in buffers:
    buffer.array()[:] = 1
arrays = [arena.full(100, 3.0), arena.full(500_000, 3.0)]
calls = [joblib.delayed(double)(*each) for each in zip(buffers, arrays)]
print(joblib.Parallel(n_jobs=2, backend="loky")(calls))
assert all((buffer.array() == 2).all() for buffer in buffers)
print(arena.stats().tickets)
arena.unlink()
"""


@pytest.mark.soak
def test_with_loky_arrays_arrive_by_value_and_buffers_as_handles(name):
    pytest.importorskip("joblib")
    run = subprocess.run(
        [sys.executable, "-c", WITH_LOKY, name],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    # joblib itself puts a large one into a file, which the worker maps.
    found = "[(300.0, 'ndarray'), (1500000.0, 'memmap')]"
    assert run.stdout.splitlines() == [found, "0"]


@pytest.mark.skipif(not pagebuddy.COMPILED, reason="numpy_memory needs the compiled engine")
def test_numpy_memory_is_sent_as_a_handle(arena):
    with arena.numpy_memory():
        made = np.ones(100_000)
    assert arena.asarray(made) is made
    arrived = pickle.loads(sent(made))
    assert np.shares_memory(arrived, made)


def test_a_process_that_imports_numpy_later_sends_handles():
    program = (
        "import pagebuddy, sys; arena = pagebuddy.Arena('1 MiB'); assert 'numpy' not in sys.modules;"
        "array = arena.zeros(1000); from multiprocessing.reduction import ForkingPickler;"
        "print(len(ForkingPickler.dumps(array)) < 500)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout == "True\n"
