"""numpy arrays in an arena, and the buffers behind them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pagebuddy

np = pytest.importorskip("numpy")

POINT = [("x", "f4"), ("y", "i8"), ("name", "S5"), ("grid", "u1", (2, 3))]


@pytest.mark.one_engine
@pytest.mark.parametrize("dtype", ["u1", "f8", "c16", "?", "M8[s]", "S7", "U3", POINT], ids=str)
@pytest.mark.parametrize("shape", [(), 5, (5,), (3, 4), (2, 0, 3), (0,), (1,) * 20], ids=str)
@pytest.mark.parametrize("order", ["C", "F"])
def test_shapes_and_types(arena, dtype, shape, order):
    array = arena.zeros(shape, dtype, order)
    expected = np.zeros(shape, dtype, order)
    assert (array.shape, array.dtype) == (expected.shape, expected.dtype)
    assert not array.size or array.strides == expected.strides
    assert (array == expected).all()
    assert array.flags.writeable
    assert arena.stats().n_spans == 1
    assert arena.buffer_of(array).offset % 4096 == 0
    copied = arena.copy(array)
    assert copied.tobytes("A") == array.tobytes("A")
    empty = arena.empty(shape, dtype, order)
    for one in (empty, arena.empty(shape, np.dtype(dtype), order)):
        assert (one.shape, one.dtype, one.flags.num) == (array.shape, array.dtype, array.flags.num)
        assert not one.size or one.strides == expected.strides
        assert arena.buffer_of(one).nbytes == max(expected.nbytes, 1)
    del array, copied, empty, one
    assert arena.stats().used == 0


def test_full_and_copy(arena):
    assert arena.full((2, 3), 7).tolist() == [[7] * 3] * 2
    assert arena.full(3, 1.5, "f4").dtype == np.float32
    given = np.arange(24).reshape(4, 6)
    for source in (given, given.T, given[::2, ::3], np.asfortranarray(given), given[:0]):
        copied = arena.copy(source)
        assert (copied == source).all()
        assert copied.shape == source.shape
    assert arena.copy(given.T).flags.f_contiguous
    assert arena.copy([1, 2]).tolist() == [1, 2]


@pytest.mark.parametrize("n", [1, 100, 16 * 4096, 16 * 4096 + 1])
def test_zeros_over_memory_that_was_used(arena, n):
    for _ in range(3):
        arena.full(arena.stats().largest_free_bytes, 7, "u1")
        zeros = arena.zeros(n, "u1")
        assert zeros.shape == (n,)
        assert not zeros.any()


def test_ones(arena):
    ones = arena.ones((2, 3), "i2", "F")
    assert (ones == np.ones((2, 3))).all()
    assert ones.flags.f_contiguous
    assert arena.ones(3).dtype == float


def test_asarray_copies_only_what_is_elsewhere(Arena, arena):
    array = arena.empty((10, 10))
    assert arena.asarray(array) is array
    part = array[2:4, ::3].T
    assert arena.asarray(part) is part
    used = arena.stats().used
    for elsewhere in (np.ones(5), [1, 2], 7, Arena("1 MiB").ones(5), np.ones(5)[::2]):
        copied = arena.asarray(elsewhere)
        assert arena.buffer_of(copied).nbytes >= 8
        assert np.array_equal(copied, elsewhere)
    del copied
    assert arena.stats().used == used
    with pytest.raises(TypeError, match="Python objects cannot live in an arena"):
        arena.asarray(np.zeros(3, "O"))


@pytest.mark.parametrize(
    "dtype",
    [float, int, bool, complex, None, np.float32, np.uint8, "<f8", ">f8", ">i4", "float64", "?"],
    ids=str,
)
def test_a_dtype_may_be_told_in_any_way(arena, dtype):
    array, expected = arena.empty(3, dtype), np.empty(3, dtype)
    assert array.dtype == expected.dtype
    assert arena.buffer_of(array).nbytes == expected.nbytes


@pytest.mark.parametrize("shape", [np.int64(3), [2, 3], (np.int32(2), 3), np.array([2, 3])])
def test_a_shape_may_be_of_any_integers(arena, shape):
    sides = (int(shape),) if np.ndim(shape) == 0 else tuple(int(side) for side in shape)
    assert arena.empty(shape).shape == sides


def test_numpys_errors_for_what_is_no_dtype_or_order(arena):
    with pytest.raises(TypeError, match="xx"):
        arena.empty(3, "xx")
    with pytest.raises(ValueError, match="order"):
        arena.empty(3, float, "X")
    for sides in (1 << 62, (1 << 40, 1 << 40), (1 << 70,)):
        with pytest.raises((pagebuddy.OutOfPages, ValueError, OverflowError)):
            arena.empty(sides)
    assert arena.stats().used == 0


def test_an_array_ends_also_if_its_arena_object_was_closed(arena):
    array = arena.empty(3)
    arena.close()
    array[:] = 5
    with pytest.raises(pagebuddy.ArenaClosed):
        arena.empty(3)
    assert array.sum() == 15


@pytest.mark.parametrize("dtype", ["O", [("x", "i4"), ("y", "O")]], ids=str)
def test_python_objects_are_refused(arena, dtype):
    for act in (
        lambda: arena.empty(3, dtype),
        lambda: arena.copy(np.zeros(3, dtype)),
        lambda: arena.alloc(64).array(3, dtype),
    ):
        with pytest.raises(TypeError, match="Python objects cannot live in an arena: use numbers"):
            act()
    assert arena.stats().used == 0


@pytest.mark.parametrize(
    ("shape", "error"),
    [(-1, ValueError), (1.5, TypeError), ("3", TypeError), ((2, -1), ValueError)],
)
def test_shapes_that_are_none(arena, shape, error):
    with pytest.raises(error, match="a side of shape is"):
        arena.empty(shape)
    assert arena.stats().used == 0


def test_the_last_view_ends_it(arena):
    array = arena.zeros((100, 100))
    view = array[3:, ::2].T.reshape(-1)[:50]
    part = array[5].view("u1")[8:]
    del array, view
    assert arena.stats().n_spans == 1
    part[:] = 7
    del part
    assert arena.stats().used == 0


def test_the_buffer_of(arena):
    array = arena.empty((100, 100))
    buffer = arena.buffer_of(array)
    seen = [array[3:], array.T, array.reshape(-1)[7:9], array.view("u1"), memoryview(array[5])]
    for view in seen:
        assert arena.buffer_of(view).offset == buffer.offset
    assert arena.buffer_of(np.frombuffer(buffer.view, "u1")).offset == buffer.offset
    assert buffer.nbytes == 80_000
    for stranger in (np.zeros(3), [1], None, array.copy(), pagebuddy.Arena("64 KiB").empty(3)):
        with pytest.raises(ValueError, match=r"not in this arena; make it with arena\.empty"):
            arena.buffer_of(stranger)


def test_the_buffer_of_what_was_made_by_the_buffer_protocol(arena):
    buffer = arena.alloc(100)
    try:
        array = np.frombuffer(buffer, "u1")
    except TypeError:
        pytest.skip("uncompiled, before Python 3.12, a buffer has none")
    offset = buffer.offset
    del buffer
    assert arena.buffer_of(array).offset == offset


def test_arrays_of_a_buffer(arena):
    buffer = arena.alloc(100)
    assert buffer.array().shape == (100,)
    assert buffer.array(dtype="f8").shape == (12,)
    with pytest.raises(ValueError, match="shape 13 of float64 is 104 bytes; the buffer has 100"):
        buffer.array(13, "f8")
    # More than there are pages for is no other error.
    with pytest.raises(ValueError, match=r"shape \(5000,\) .* is 40000 bytes; the buffer has 100"):
        buffer.array((5000,), "f8")
    whole = arena.alloc(4096)
    for shape in (-1, (-1,), (2, -1)):
        with pytest.raises(ValueError, match="a side of shape is -1; it must be at least 0"):
            whole.array(shape)
    buffer.array((5, 5), "i4", "F")[1, 0] = 7
    assert buffer.view[4] == 7


BLOCKED = """
import sys

class NoNumpy:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NoNumpy())
from pagebuddy import Arena
arena = Arena("1 MiB")
buffer = arena.alloc(5, keep="it")
buffer.view[:] = b"hello"
for act in (lambda: arena.empty(3), lambda: arena.copy([1]), lambda: buffer.array()):
    try:
        act()
    except ImportError as error:
        print(error)
print(bytes(arena["it"].view), arena.stats().used)
"""


def test_without_numpy(engine):
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={
            "PYTHONPATH": str(Path(pagebuddy.__file__).parents[1]),
            "PAGEBUDDY_PURE": str(int(engine == "uncompiled")),
        },
    )
    *errors, found = done.stdout.splitlines()
    assert len(errors) == 3
    assert all("arrays need numpy: pip install 'pagebuddy[numpy]'" in line for line in errors)
    assert found == "b'hello' 1"


@pytest.mark.one_engine
@pytest.mark.parametrize("dtype", ["S", "U", ">U", "S3", str, bytes])
def test_text_without_a_length_is_a_character_as_in_numpy(arena, dtype):
    for make in ("empty", "zeros"):
        array = getattr(arena, make)(3, dtype)
        assert array.dtype == np.empty(3, dtype).dtype
        assert array.nbytes == np.empty(3, dtype).nbytes
    assert arena.alloc(100).array(3, dtype).dtype == np.empty(3, dtype).dtype


@pytest.mark.one_engine
@pytest.mark.parametrize("column", [[1, 2], ["a", "b"]])
def test_a_data_frame_is_no_array_and_the_error_says_what_to_do(arena, column):
    pandas = pytest.importorskip("pandas")
    with pytest.raises(TypeError, match=r"DataFrame.*arena\.dumps"):
        arena.copy(pandas.DataFrame({"x": column}))
    assert arena.copy(pandas.DataFrame({"x": [1, 2]})["x"]).tolist() == [1, 2]
    with pytest.raises(TypeError, match=r"arena\.dumps"):
        arena.copy([{}, {}])
    assert arena.stats().used == 0
