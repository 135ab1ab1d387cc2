"""What happens to the arrays of a loop."""

from __future__ import annotations

import gc

import numpy as np
import pytest

pytest.importorskip("joblib")

import joblib
from joblib import delayed

import pagebuddy as pb
from tests.adapters.joblib import tasks

LARGE = 300_000


def test_an_array_from_outside_is_copied_into_the_arena_once(loop):
    array = np.arange(LARGE)
    answers = loop((delayed(tasks.seen)(array) for _ in range(6)), batch_size=1)
    assert {kind for kind, _, _ in answers} == {np.ndarray}
    assert len({offset for _, _, offset in answers}) == 1
    assert answers[0][2] is not None


def test_each_call_copies_what_the_array_has_then(loop, arena):
    array = np.arange(LARGE)
    with joblib.Parallel(2, backend="pagebuddy", arena=arena) as parallel:
        assert parallel(delayed(np.max)(array) for _ in range(2)) == [LARGE - 1] * 2
        array[0] = LARGE
        assert parallel(delayed(np.max)(array) for _ in range(2)) == [LARGE] * 2


def test_an_array_that_ends_before_the_loop_takes_its_copy_with_it(loop, arena):
    most = 0

    def arrays():
        nonlocal most
        for _ in range(40):
            most = max(most, arena.stats().used_bytes)
            yield delayed(np.max)(np.arange(LARGE))

    before = arena.stats().used_bytes
    assert loop(arrays(), batch_size=1) == [LARGE - 1] * 40
    assert most - before < 20 * 8 * LARGE


def test_an_array_in_the_arena_is_not_copied(loop, arena):
    array = arena.copy(np.arange(LARGE))
    offset = arena.buffer_of(array).offset
    assert loop(delayed(tasks.seen)(array) for _ in range(2)) == [(np.ndarray, False, offset)] * 2
    part = array[LARGE // 2 :]
    assert loop([delayed(tasks.seen)(part)] * 2) == [(np.ndarray, False, offset)] * 2


@pytest.mark.parametrize("inside", [False, True])
def test_a_task_cannot_change_the_array_of_the_caller(loop, arena, inside):
    array = np.zeros(LARGE)
    if inside:
        array = arena.copy(array)
    with pytest.raises(ValueError, match="read-only"):
        loop(delayed(tasks.stored)(array) for _ in range(2))
    # Small ones are the task's own, as are those with a copy for each task.
    small = array[:100]
    assert loop(delayed(tasks.stored)(small) for _ in range(2)) == [7, 7]
    assert loop((delayed(tasks.stored)(array) for _ in range(2)), max_nbytes=None) == [7, 7]
    assert loop((delayed(tasks.stored)(array) for _ in range(2)), mmap_mode="c") == [7, 7]
    assert not array.any()


def test_tasks_write_to_an_array_in_the_arena_if_the_mode_says_so(loop, arena):
    array = arena.zeros(LARGE)
    assert loop((delayed(tasks.stored)(array) for _ in range(2)), mmap_mode="r+") == [7, 7]
    assert array[0] == 7
    outside = np.zeros(LARGE)
    assert loop((delayed(tasks.stored)(outside) for _ in range(2)), mmap_mode="r+") == [7, 7]
    assert not outside.any()


@pytest.mark.skipif(not pb.COMPILED, reason="uncompiled, numpy allocates in no arena")
def test_results_are_created_in_the_arena(loop, arena):
    results = loop(delayed(tasks.offset_of_result)(np.ones(LARGE)) for _ in range(3))
    for array, offset in results:
        assert arena.buffer_of(array).offset == offset
        assert array.flags.writeable
        assert (array == 2).all()


def test_a_result_is_not_the_memory_of_an_argument(loop, arena):
    array = arena.copy(np.zeros(LARGE))
    [result, _] = loop(delayed(np.asarray)(array) for _ in range(2))
    array[:] = 5
    assert not result.any()


def test_nothing_is_left_in_the_arena(loop, arena):
    array = np.ones(LARGE)
    loop(delayed(len)("four") for _ in range(4))
    before = arena.stats().used
    results = loop(delayed(tasks.scaled)(array, n) for n in range(20))
    assert arena.stats().used > before
    del results
    # A thread of the pool may refer to the last result for a moment. The test's timeout ends this.
    while arena.stats().used > before:
        gc.collect()


def test_arrays_of_all_kinds_arrive(loop):
    frame = np.zeros(LARGE, [("a", "i4"), ("b", "f8")])
    given = [
        np.asfortranarray(np.arange(LARGE * 2).reshape(2, -1)),
        np.arange(LARGE)[::-3],
        frame,
        np.arange(LARGE).astype("M8[s]"),
        np.ma.masked_array(np.arange(LARGE), np.arange(LARGE) % 2),
        np.array([{}, None] * LARGE),
        np.zeros((0, 5)),
        np.full(LARGE, "text"),
    ]
    arrived = loop(delayed(np.copy)(array, subok=True) for array in given)
    for before, after in zip(given, arrived, strict=True):
        assert after.dtype == before.dtype
        assert not after.size or after.strides == np.copy(before, subok=True).strides
        assert (after == before).all()
    assert loop(delayed(tasks.of_objects)(n) for n in range(2))[1].tolist() == [{"n": 1}, None]


def test_a_file_is_mapped_again_as_joblib_does_it(loop, tmp_path):
    array = np.memmap(tmp_path / "file", "f8", "w+", shape=LARGE)
    assert loop(delayed(tasks.seen)(array) for _ in range(2)) == [(np.memmap, True, None)] * 2
    assert loop(delayed(tasks.stored)(array[5:]) for _ in range(2)) == [7, 7]
    assert array[5] == 7


def test_a_data_frame_is_copied_into_the_arena_once(loop, arena):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({name: np.arange(LARGE) for name in "abcd"})

    def offsets(frame):
        return [tasks.seen(frame[name].to_numpy())[2] for name in frame]

    answers = loop((delayed(offsets)(frame) for _ in range(4)), batch_size=1)
    assert len({tuple(answer) for answer in answers}) == 1
    assert None not in answers[0]


def test_closures_and_their_arrays_travel(loop):
    factor = np.arange(LARGE)
    results = loop(delayed(lambda n: factor[-1] * n)(n) for n in range(3))
    assert results == [0, LARGE - 1, 2 * (LARGE - 1)]
    assert loop([delayed(lambda: lambda: 5)()] * 2)[0]() == 5
