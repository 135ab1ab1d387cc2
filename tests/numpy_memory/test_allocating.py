"""Inside `numpy_memory`, what numpy makes lies in the arena, and is the arena's own."""

from __future__ import annotations

import gc
import io
import pickle
import threading

import pytest

from pagebuddy import Arena as ChosenArena
from pagebuddy import ArenaClosed

np = pytest.importorskip("numpy")

N = 20_000  # items of 8 bytes, more than the threshold


def is_in(arena, array):
    """Whether an array lies in an arena."""
    try:
        arena.buffer_of(array)
    except ValueError:
        return False
    return True


MAKING = {
    "empty": lambda a: np.empty(N),
    "zeros": lambda a: np.zeros(N),
    "a ufunc": lambda a: a + 1,
    "an expression": lambda a: a * 2 + a / 3 - 1,
    "fancy indexing": lambda a: a[np.arange(N)],
    "a comparison": lambda a: np.concatenate([a, a, a, a]) > 0,
    "a copy": lambda a: a.copy(),
    "another order": lambda a: np.asfortranarray(a.reshape(100, 200)),
    "another type": lambda a: a.astype("f4"),
    "a sort": lambda a: np.sort(a[::-1]),
    "fromiter, which grows": lambda a: np.fromiter(iter(range(N)), float),
    "a list": lambda a: np.array([0.5] * N),
    "loading": lambda a: np.load(saved(a)),
    "a subclass": lambda a: np.ma.array(a, copy=True).data,
    "a record": lambda a: np.zeros(N, "i4, f4"),
    "text": lambda a: np.full(N, "hello"),
}


def saved(array):
    file = io.BytesIO()
    np.save(file, array)
    file.seek(0)
    return file


@pytest.mark.parametrize("making", MAKING)
def test_what_numpy_makes_lies_in_the_arena(shared, making):
    given = np.linspace(0, 1, N)
    expected = MAKING[making](given)
    with shared.numpy_memory():
        made = MAKING[making](given)
    assert is_in(shared, made)
    assert not is_in(shared, expected)
    if making != "empty":
        assert np.array_equal(made, expected)
    assert shared.stats().numpy_fallbacks == 0
    del made
    assert shared.stats().used == 0


def test_it_works_in_every_kind_of_arena(arena):
    given = np.linspace(0, 1, N)
    with arena.numpy_memory():
        made = given * 2
        zeros = np.zeros((3, N))
    assert is_in(arena, made)
    assert is_in(arena, zeros)
    assert np.array_equal(made, np.linspace(0, 1, N) * 2)
    assert not zeros.any()
    arena.verify()
    del made, zeros
    assert arena.stats().used == 0


def test_zeros_over_memory_that_was_used(arena):
    arena.full(arena.stats().largest_free_bytes, 7, "u1")
    with arena.numpy_memory():
        zeros = np.zeros(2 * N)
    assert is_in(arena, zeros)
    assert not zeros.any()


def test_small_arrays_use_the_memory_of_numpy(shared):
    with shared.numpy_memory("1 KiB"):
        small, large = np.zeros(1023, "u1"), np.zeros(1024, "u1")
    assert not is_in(shared, small)
    assert is_in(shared, large)
    assert shared.stats().numpy_fallbacks == 0


def test_after_the_block_numpy_uses_its_own_memory_again(shared):
    with shared.numpy_memory():
        pass
    assert not is_in(shared, np.zeros(N))


def test_an_exception_ends_the_block(shared):
    def fail():
        with shared.numpy_memory():
            raise ValueError("as asked")

    with pytest.raises(ValueError, match="as asked"):
        fail()
    assert not is_in(shared, np.zeros(N))


def test_blocks_nest_and_the_innermost_applies(shared):
    other = ChosenArena("4 MiB")
    with shared.numpy_memory():
        with other.numpy_memory():
            inner = np.zeros(N)
        outer = np.zeros(N)
        # It belongs to the arena that it was made in.
        inner.resize(2 * N, refcheck=False)
    assert is_in(other, inner)
    assert is_in(shared, outer)
    assert not is_in(shared, inner)


def test_one_object_can_be_entered_again(shared):
    memory = shared.numpy_memory()
    with memory, memory:
        pass
    assert not is_in(shared, np.zeros(N))
    with memory:
        assert is_in(shared, np.zeros(N))


def test_blocks_may_be_left_in_another_order(shared):
    other = ChosenArena("4 MiB")
    first, second = shared.numpy_memory(), other.numpy_memory()
    first.__enter__()
    second.__enter__()
    first.__exit__()
    assert is_in(other, np.zeros(N))
    second.__exit__()
    assert not is_in(shared, np.zeros(N))
    assert not is_in(other, np.zeros(N))


def test_a_block_is_left_where_it_was_entered(shared):
    memory = shared.numpy_memory()
    memory.__enter__()
    refusals = []

    def leave():
        try:
            memory.__exit__()
        except RuntimeError as refusal:
            refusals.append(str(refusal))

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()
    assert "another thread" in refusals[0]
    assert is_in(shared, np.zeros(N))
    memory.__exit__()


def test_a_thread_enters_a_block_of_its_own(shared):
    found = {}

    def work():
        found["before"] = is_in(shared, np.zeros(N))
        with shared.numpy_memory():
            found["inside"] = is_in(shared, np.zeros(N))

    with shared.numpy_memory():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert found == {"before": False, "inside": True}


def test_threads_allocate_and_free_at_the_same_time(shared, effort):
    failures = []

    def work(number):
        try:
            with shared.numpy_memory("4 KiB"):
                kept = []
                for i in range(effort.pick(200, 5000)):
                    kept.append(np.full(600 + 100 * (i % 7), number))
                    if len(kept) > 20:
                        assert (kept.pop(0) == number).all()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    shared.verify()
    assert shared.stats().used == 0


# -- the arena's own -----------------------------------------------------------------------------------


def test_buffer_of_has_the_bytes_of_the_array(shared):
    with shared.numpy_memory():
        array = np.arange(N)
    buffer = shared.buffer_of(array[10:20].reshape(2, 5).T)
    assert buffer.nbytes == array.nbytes
    del array
    assert np.frombuffer(buffer, "i8")[-1] == N - 1
    del buffer
    assert shared.stats().used == 0


def test_a_buffer_outlives_the_array_and_the_array_the_buffer(shared):
    with shared.numpy_memory():
        array = np.arange(N)
    buffer = shared.buffer_of(array)
    buffer.release()
    assert array[5] == 5
    again = shared.buffer_of(array)
    del array
    assert shared.stats().n_spans == 1
    again.release()
    assert shared.stats().n_spans == 0


def test_dumps_sends_a_handle(shared):
    with shared.numpy_memory():
        array = np.arange(N)
        data = shared.dumps({"all": array, "part": array[::2]})
    assert len(data) < 400
    received = shared.loads(data)
    assert np.shares_memory(received["all"], array)
    assert np.shares_memory(received["part"], array)
    del array
    assert received["part"][-1] == N - 2
    del received
    assert shared.stats().used == 0


def test_it_can_be_kept_under_a_key(shared):
    with shared.numpy_memory():
        array = np.arange(N)
    shared.buffer_of(array).keep("numbers")
    del array
    assert shared["numbers"].array(N, "i8")[-1] == N - 1
    assert shared["numbers"].nbytes == 8 * N


def test_pickling_copies_as_numpy_does(shared):
    given = np.arange(N)
    with shared.numpy_memory():
        array = np.arange(N)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.dumps(array, protocol) == pickle.dumps(given, protocol)


def test_objects_are_not_the_business_of_the_arena(shared):
    """Their addresses mean nothing elsewhere, so they are sent by value."""
    with shared.numpy_memory():
        array = np.full(N, "word", object)
        assert shared.loads(shared.dumps(array))[5] == "word"
    with pytest.raises(ValueError, match="not in this arena"):
        shared.buffer_of(array)


def test_a_data_frame_is_sent_without_a_copy(shared):
    pd = pytest.importorskip("pandas")
    text = "\n".join(f"{i},{i / 7}" for i in range(N))
    with shared.numpy_memory():
        frame = pd.read_csv(io.StringIO(text), names=["a", "b"])
        frame = frame.sort_values("b", ascending=False)
        data = shared.dumps(frame)
    assert len(data) < 3000
    received = shared.loads(data)
    assert np.shares_memory(received.b.to_numpy(), frame.b.to_numpy())
    assert received.a.iloc[0] == N - 1
    del frame, received
    gc.collect()
    assert shared.stats().used == 0


def test_a_recording_has_the_arrays_of_numpy(shared, tmp_path):
    with shared.record(tmp_path / "trace.csv"), shared.numpy_memory():
        np.zeros(N)
    lines = (tmp_path / "trace.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["op", "alloc", "free"]
    assert lines[1].endswith(f",{8 * N}")


# -- changing the size ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", ["mutex", "file"])
def test_an_array_grows_and_shrinks_in_place(lock):
    arena = ChosenArena("4 MiB", lock=lock)
    with arena.numpy_memory():
        array = np.arange(N)
        at = arena.buffer_of(array).offset
        array.resize(4 * N, refcheck=False)
        assert arena.buffer_of(array).offset == at
        assert array[N - 1] == N - 1
        assert not array[N:].any()
        used = arena.stats().used
        array.resize(N, refcheck=False)
        assert arena.buffer_of(array).offset == at
        assert arena.stats().used < used
    assert array.tolist() == list(range(N))
    arena.verify()


def test_an_array_that_cannot_grow_in_place_moves(shared):
    with shared.numpy_memory():
        array = np.arange(N)
        behind = np.zeros(N)
        at = shared.buffer_of(array).offset
        array.resize(4 * N, refcheck=False)
    assert shared.buffer_of(array).offset != at
    assert array[:N].tolist() == list(range(N))
    assert shared.stats().n_spans == 2
    assert not behind.any()


def test_an_array_moves_in_when_it_grows(shared):
    with shared.numpy_memory():
        array = np.arange(10)
        assert not is_in(shared, array)
        array.resize(N, refcheck=False)
        assert is_in(shared, array)
    assert array[:10].tolist() == list(range(10))
    assert not array[10:].any()


def test_pages_that_others_see_are_not_given_back(shared):
    with shared.numpy_memory():
        array = np.arange(4 * N)
        data = shared.dumps(array)
        array.resize(N, refcheck=False)
    assert shared.loads(data)[-1] == 4 * N - 1
    assert array[-1] == N - 1


def test_the_size_that_numpy_tells_is_not_trusted(shared):
    """For an empty array with long sides, it differs from what was asked for (numpy PR 19663)."""
    for _ in range(3):
        with shared.numpy_memory(1):
            array = np.empty([2, 0, 2])
            assert is_in(shared, array)
        del array
        with shared.numpy_memory():
            array = np.empty([N, 0, N])
        del array
    assert shared.stats().used == 0
    shared.verify()


def test_an_empty_array_has_a_buffer(shared):
    with shared.numpy_memory(1):
        assert shared.buffer_of(np.empty(0)).nbytes == 1


# -- what is refused -----------------------------------------------------------------------------------


def test_a_wrong_threshold_is_refused(shared):
    for threshold, error in ((-1, ValueError), ("many", ValueError), (1.5, TypeError)):
        with pytest.raises(error, match="threshold"):
            shared.numpy_memory(threshold)


def test_a_closed_arena_refuses(shared):
    shared.close()
    with pytest.raises(ArenaClosed, match="was closed"):
        shared.numpy_memory()


def test_it_is_not_pickled(shared):
    with pytest.raises(TypeError, match="call it in the other process"):
        pickle.dumps(shared.numpy_memory())
