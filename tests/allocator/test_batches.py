"""alloc_many, free_many and run: many spans per call. The first two do everything or nothing."""

from __future__ import annotations

import mmap
import os
import random
import signal
import subprocess
import sys
import tracemalloc
from array import array
from functools import partial

import pytest

from pagebuddy import BadFree, PageRanges
from pagebuddy.testing import NaiveAllocator, out_of_pages, refused

RANGES = [(3, 120), (200, 72)]
NONE = (1 << 64) - 1


def ints(pages):
    return [int(page) for page in pages]


@pytest.mark.parametrize("order", range(5))
def test_alloc_many_allocates_blocks_until_none_is_left(Buddy, order):
    buddy = Buddy(PageRanges(RANGES))
    model = NaiveAllocator(RANGES)
    count = model.n_blocks(order)
    with out_of_pages(buddy) as caught:
        buddy.alloc_many(order, count + 1)
    assert caught.error.requested == count + 1 << order
    for page in ints(buddy.alloc_many(order, count)):
        assert page % (1 << order) == 0
        model.take(page, 1 << order)
    model.check(buddy)
    with out_of_pages(buddy):
        buddy.alloc_many(order, 1)


def test_alloc_many_in_a_fragmented_allocator(Buddy):
    buddy = Buddy(PageRanges(RANGES))
    model = NaiveAllocator(RANGES)
    chance = random.Random(4)
    pages = ints(buddy.alloc_many(0, 192))
    for page in pages:
        model.take(page, 1)
    away = chance.sample(pages, 120)
    buddy.free_many(away)
    for page in away:
        model.give_back(page)
    model.check(buddy)
    for order in (2, 1, 0):
        count = model.n_blocks(order)
        with out_of_pages(buddy):
            buddy.alloc_many(order, count + 1)
        for page in ints(buddy.alloc_many(order, count)):
            model.take(page, 1 << order)
    assert not model.free
    model.check(buddy)


@pytest.mark.parametrize("shuffled", [False, True], ids=["ascending", "shuffled"])
def test_free_many_restores_the_free_blocks(Buddy, shuffled):
    buddy = Buddy(PageRanges(RANGES))
    whole = sorted(buddy.free_blocks())
    pages = ints(buddy.alloc_many(1, 90))
    if shuffled:
        random.Random(1).shuffle(pages)
    buddy.free_many(pages)
    assert sorted(buddy.free_blocks()) == whole
    buddy.verify()


def test_free_many_frees_spans_of_any_length(Buddy):
    buddy = Buddy(256)
    pages = [buddy.alloc(n) for n in (1, 5, 17, 64, 3)]
    buddy.alloc_at(250, 3)
    buddy.free_many([pages[3], 250, pages[0], pages[4], pages[1], pages[2]])
    NaiveAllocator([(0, 256)]).check(buddy)


def test_alloc_many_returns_a_numpy_array_if_numpy_is_installed(Buddy):
    numpy = pytest.importorskip("numpy")
    pages = Buddy(64).alloc_many(0, 10)
    assert isinstance(pages, numpy.ndarray)
    assert pages.dtype == numpy.uint64
    assert pages.shape == (10,)


WITHOUT_NUMPY = """
import sys
sys.modules["numpy"] = None
from array import array
from {module} import BuddyAllocator
buddy = BuddyAllocator(64)
pages = buddy.alloc_many(1, 10)
assert type(pages) is array and pages.typecode == "Q" and len(pages) == 10, pages
assert len(buddy.alloc_many(0, 0)) == 0
buddy.free_many(pages)
assert buddy.stats().free == 64
"""


def test_alloc_many_returns_an_array_without_numpy(module):
    script = WITHOUT_NUMPY.format(module=module)
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


KINDS = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "generator": iter,
    "array of Q": lambda pages: array("Q", pages),
    "array of q": lambda pages: array("q", pages),
    "array of I": lambda pages: array("I", pages),
    "memoryview": lambda pages: memoryview(array("Q", pages)),
    "every second": lambda pages: memoryview(array("Q", [x for p in pages for x in (p, 0)]))[::2],
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_free_many_accepts_any_iterable_of_ints(Buddy, kind):
    buddy = Buddy(64)
    pages = ints(buddy.alloc_many(0, 20))
    buddy.free_many(kind(pages))
    assert buddy.stats().free == 64


@pytest.mark.parametrize("dtype", ["uint64", "int64", "uint32", "int16", ">u8"])
def test_free_many_accepts_numpy_arrays_of_any_integer_type(Buddy, dtype):
    numpy = pytest.importorskip("numpy")
    buddy = Buddy(64)
    buddy.free_many(buddy.alloc_many(0, 64))
    pages = buddy.alloc_many(0, 20)
    buddy.free_many(numpy.repeat(pages, 2).astype(dtype)[::2])
    buddy.free_many(numpy.array([], dtype=dtype))
    assert buddy.stats().free == 64


def test_empty_batches_change_nothing(Buddy):
    buddy = Buddy(64)
    before = bytes(buddy.metadata)
    assert len(buddy.alloc_many(0, 0)) == 0
    buddy.free_many([])
    assert bytes(buddy.metadata) == before


@pytest.mark.parametrize("position", [0, 5, 10])
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (2, "outside"),
        (150, "outside"),
        (NONE, "outside"),
        (260, "free"),
        (213, "interior"),
    ],
)
def test_one_bad_page_means_that_nothing_is_freed(Buddy, bad, reason, position):
    buddy = Buddy(PageRanges(RANGES))
    buddy.alloc_at(210, 7)
    pages = [210, *ints(buddy.alloc_many(2, 9))]
    if bad == 260:
        buddy.alloc_at(260, 4)
        buddy.free(260)
    pages.insert(position, bad)
    for _ in range(2):
        with refused(buddy, BadFree, reason=reason, says=bad) as caught:
            buddy.free_many(pages)
        assert caught.error.page == bad
        buddy.verify()
    assert len(list(buddy.spans())) == 10


@pytest.mark.parametrize("bad", [-1, 1 << 64, 10**30])
def test_an_impossible_page_number_means_that_nothing_is_freed(Buddy, bad):
    buddy = Buddy(PageRanges(RANGES))
    pages = ints(buddy.alloc_many(2, 9))
    with refused(buddy, ValueError, says=bad):
        buddy.free_many([*pages, bad])


@pytest.mark.parametrize("as_array", [list, lambda pages: array("Q", pages)], ids=["list", "array"])
@pytest.mark.parametrize("again", [0, 4, 8])
@pytest.mark.parametrize("descending", [False, True])
def test_a_duplicate_page_means_that_nothing_is_freed(Buddy, again, as_array, descending):
    buddy = Buddy(PageRanges(RANGES))
    pages = sorted(ints(buddy.alloc_many(2, 9)), reverse=descending)
    with refused(buddy, BadFree, says=pages[again]) as caught:
        buddy.free_many(as_array([*pages, pages[again]]))
    assert caught.error.page == pages[again]
    buddy.free_many(as_array(pages))
    NaiveAllocator(RANGES).check(buddy)


def test_asking_for_too_many_blocks_allocates_none(Buddy):
    buddy = Buddy(64)
    buddy.alloc(3)
    for order, count in ((0, 62), (5, 2), (0, 2**31), (0, 2**32 + 1), (3, 2**61), (0, 2**64 + 1)):
        with out_of_pages(buddy) as caught:
            buddy.alloc_many(order, count)
        assert caught.error.requested == count << order
        assert caught.error.free == 61
    for order in (7, 32, 64):
        with out_of_pages(buddy):
            buddy.alloc_many(order, 1)
    with out_of_pages(buddy):
        buddy.alloc_many(0, 10**30)


@pytest.mark.parametrize(("order", "count"), [(-1, 1), (0, -1), (-(2**32), 1), (0, -(10**30))])
def test_wrong_values_raise_value_error(Buddy, order, count):
    buddy = Buddy(64)
    buddy.alloc(3)
    with refused(buddy, ValueError, says=min(order, count)):
        buddy.alloc_many(order, count)


@pytest.mark.parametrize("order", [1, -1], ids=["ascending", "descending"])
def test_a_few_pages_of_very_many_cost_little_to_free(Buddy, order):
    """Finding duplicates must not need memory for every page of the allocator."""
    buddy = Buddy(1 << 24)
    pages = array("Q", buddy.alloc_many(3, 4)[::order])
    tracemalloc.start()
    try:
        buddy.free_many(pages)
        assert tracemalloc.get_traced_memory()[1] < 1 << 16
    finally:
        tracemalloc.stop()
    assert buddy.stats().free == 1 << 24


@pytest.mark.parametrize(
    "pages", [None, 5, 5.0, [0, "1"], [0, 1.0], [0, None], "01", array("d", [0.0]), [[0]]]
)
def test_wrong_types_raise_type_error(Buddy, pages):
    buddy = Buddy(64)
    buddy.alloc_many(0, 4)
    with refused(buddy, TypeError):
        buddy.free_many(pages)


@pytest.mark.parametrize("dtype", [float, bool, "M8[s]", "S1"])
def test_an_array_of_other_types_raises_type_error(Buddy, dtype):
    numpy = pytest.importorskip("numpy")
    buddy = Buddy(64)
    buddy.alloc_many(0, 4)
    # In the last numpy for Python 3.10 that a bool is no index is still a warning, here an error.
    with refused(buddy, (TypeError, DeprecationWarning)):
        buddy.free_many(numpy.zeros(1, dtype))


def test_an_iterable_that_fails_half_way_frees_nothing(Buddy):
    def some():
        yield 0
        raise KeyError("half way")

    buddy = Buddy(64)
    buddy.alloc_many(0, 4)
    with refused(buddy, KeyError):
        buddy.free_many(some())


def test_run_does_the_same_as_single_calls(Buddy):
    chance = random.Random(9)
    n_slots = 40
    whats = [1, 1, 2, 3, 7, 30, 2**31, 2**31 + 2, 2**31 + 3]
    live = set()
    ops = array("Q")
    for _ in range(2000):
        slot = chance.randrange(n_slots)
        what = 0 if slot in live else chance.choice(whats)
        live ^= {slot}
        ops.append(what << 32 | slot)

    buddy = Buddy(PageRanges(RANGES))
    pages = array("Q", [NONE] * n_slots)
    failed = buddy.run(ops, pages)
    step = Buddy(PageRanges(RANGES))
    singly = array("Q", [NONE] * n_slots)
    assert sum(step.run(array("Q", [op]), singly) for op in ops) == failed > 0
    assert singly == pages
    assert bytes(step.metadata) == bytes(buddy.metadata)

    model = NaiveAllocator(RANGES)
    for page, n_pages in buddy.spans():
        model.take(page, n_pages)
    model.check(buddy)
    assert sorted(model.spans) == sorted(page for page in pages if page != NONE)


@pytest.mark.parametrize(
    ("ops", "pages", "error"),
    [
        (array("Q", [1 << 32 | 1]), array("Q", [NONE]), ValueError),
        (array("Q", [1 << 32]), array("Q"), ValueError),
        (array("Q", [0]), array("Q", [5]), BadFree),
        (array("Q", [0]), array("Q", [64]), BadFree),
        (array("Q", [(2**31 + 64) << 32]), array("Q", [NONE]), None),
        (array("Q", [1 << 32]), array("I", [1]), TypeError),
        (array("Q", [1 << 32]), bytes(8), (TypeError, ValueError)),
    ],
)
def test_run_refuses_bad_lists_and_counts_failures(Buddy, ops, pages, error):
    buddy = Buddy(64)
    if error is None:
        assert buddy.run(ops, pages) == 1
    else:
        with pytest.raises(error):
            buddy.run(ops, pages)
    assert list(buddy.spans()) == []
    buddy.verify()


def changed_at_each_line(prepare, act, change):
    """Do something again and again, as if another thread ran once at each of its lines in turn.

    A compiled engine has no lines, but the caller's array is read by it as well.
    """
    n_lines, before, at = 0, sys.gettrace(), 0

    def trace(frame, event, _):
        nonlocal n_lines
        if event == "line" and "pagebuddy" in frame.f_code.co_filename:
            n_lines += 1
            if n_lines == at:
                change()
        return trace

    while n_lines >= at:
        n_lines, at = 0, at + 1
        prepare()
        sys.settrace(trace)
        try:
            act()
        except (BadFree, ValueError):
            pass
        finally:
            sys.settrace(before)
        yield


@pytest.mark.parametrize("changed", [1 << 40, 2, 12, NONE])
def test_an_array_that_another_thread_changes_during_free_many_is_read_once(Buddy, changed):
    """Whichever value was read: all of those spans are freed, or none."""
    buddy = Buddy(16)
    given = array("Q", bytes(32))

    def prepare():
        for page, _ in list(buddy.spans()):
            buddy.free(page)
        buddy.alloc_at(12, 1)
        given[:] = array("Q", [buddy.alloc(1) for _ in given])

    changes = changed_at_each_line(
        prepare, lambda: buddy.free_many(given), lambda: given.__setitem__(2, changed)
    )
    for _ in changes:
        assert buddy.stats().used in (1, 5)
        buddy.verify()


def test_an_array_that_another_process_changes_during_free_many_is_read_once(Buddy, effort):
    """Compiled, only what runs without the GIL can change it meanwhile."""
    shared = mmap.mmap(-1, 8 << 10)
    given = memoryview(shared).cast("Q")
    given[1000] = 1000
    changing = os.fork()
    if not changing:
        while True:
            # The largest page number behind the others ascends, and is not live.
            given[1000] = 1 << 40
            given[1000] = 1000
    try:
        buddy = Buddy(1024)
        for _ in range(effort.pick(100, 10_000)):
            pages = array("Q", buddy.alloc_many(0, 1001))
            assert pages[1000] == 1000
            given[:1000] = pages[:1000]
            try:
                buddy.free_many(given[:1001])
            except BadFree:
                buddy.free_many(pages)
            assert buddy.stats().used == 0
        buddy.verify()
    finally:
        os.kill(changing, signal.SIGKILL)
        os.waitpid(changing, 0)


@pytest.mark.parametrize("changed", [1 << 40, 9, 2, NONE])
def test_slots_that_another_thread_changes_during_run_are_read_once(Buddy, changed):
    """It frees what a slot contained, or refuses it."""
    buddy = Buddy(16)
    ops, slots = array("Q", [0]), array("Q", [0])

    def prepare():
        for page, _ in list(buddy.spans()):
            buddy.free(page)
        slots[0] = buddy.alloc(1)
        ops[0] = 0

    for array_ in (ops, slots):
        change = partial(array_.__setitem__, 0, changed)
        for _ in changed_at_each_line(prepare, lambda: buddy.run(ops, slots), change):
            buddy.verify()
