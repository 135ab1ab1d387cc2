"""Pages end with the last reference to them, whatever the garbage collector does around them."""

import copy
import gc
import os

import pytest

PATTERN = bytes(i * 7 % 251 for i in range(10_000))


class Node:
    """A reference cycle of one, with things in it."""

    def __init__(self, **things):
        self.__dict__ |= things
        self.me = self


class Finalized(Node):
    """One whose finalizer looks at the view once more, and may keep it."""

    saved = None
    seen = None
    look = None

    def __del__(self):
        cls = type(self)
        cls.free = self.look()
        cls.seen = bytes(self.view)
        cls.saved = self.view if self.keep else None


def view_of(buffer, kind):
    """A view of a buffer, by the name of its kind."""
    if kind == "array":
        pytest.importorskip("numpy")
        return buffer.array()
    return buffer.view if kind == "view" else buffer.view[:].toreadonly()[0:]


KINDS = ["view", "slice", "array"]


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_finalizer_in_a_cycle_sees_its_view(arena, overwrite, kind, keep):
    """Weak references into a cycle are called back before its finalizers: too early for the pages."""
    buffer = arena.alloc(10_000)
    buffer.view[:] = PATTERN
    node = Finalized(view=view_of(buffer, kind), keep=keep, look=overwrite)
    del node, buffer
    gc.collect()
    assert Finalized.free == 61
    assert Finalized.seen == PATTERN
    if keep:
        assert overwrite() == 61
        assert bytes(Finalized.saved) == PATTERN
    Finalized.saved = None
    assert arena.stats().used == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_cycle_keeps_its_pages_until_it_is_found(arena, overwrite, kind):
    gc.collect()
    buffer = arena.alloc(10_000)
    node = Node(view=view_of(buffer, kind), buffer=buffer)
    del node, buffer
    assert overwrite() == 61
    gc.collect()
    assert arena.stats().used == 0


def test_a_cycle_through_an_array_of_a_subclass(arena, overwrite):
    np = pytest.importorskip("numpy")

    class Subclass(np.ndarray):
        pass

    array = arena.empty(10_000, "u1").view(Subclass)
    array.parts = [array]
    part = array[10:20]
    part[:] = range(10)
    del array
    gc.collect()
    assert overwrite() == 61
    assert list(part) == list(range(10))
    del part
    gc.collect()
    assert arena.stats().used == 0


def test_a_cycle_through_the_arena_object(arena, overwrite):
    buffer = arena.alloc(10_000)
    buffer.view[:] = PATTERN
    arena.things = [arena, buffer.view]
    view = buffer.view
    del buffer
    arena.close()
    gc.collect()
    assert overwrite() == 61
    assert bytes(view) == PATTERN


@pytest.mark.usefixtures("_without_gc")
def test_a_frame_kept_by_an_exception_keeps_its_pages(arena, overwrite):
    def fail():
        buffer = arena.alloc(10_000)
        view = buffer.view
        view[:] = PATTERN
        buffer.release()
        raise ValueError("as asked")

    with pytest.raises(ValueError, match="as asked") as caught:
        fail()
    assert overwrite() == 61
    assert bytes(caught.tb.tb_next.tb_frame.f_locals["view"]) == PATTERN
    caught.value.__traceback__.tb_next.tb_frame.clear()
    del caught
    assert arena.stats().used == 0


@pytest.mark.usefixtures("_without_gc")
def test_a_generator_keeps_its_pages_until_it_ends(arena, overwrite):
    def pieces():
        view = arena.alloc(10_000).view
        view[:] = PATTERN
        yield view[:5000]
        yield view[5000:]

    going = pieces()
    first = next(going)
    assert overwrite() == 61
    assert bytes(first) + bytes(next(going)) == PATTERN
    going.close()
    assert overwrite() == 61
    del first
    assert arena.stats().used == 0


def test_what_is_copied(arena, overwrite):
    buffer = arena.alloc(10_000)
    buffer.view[:] = PATTERN
    same, other = copy.copy(buffer), copy.deepcopy(buffer)
    assert same.offset == buffer.offset != other.offset
    buffer.release()
    del buffer
    assert overwrite() == 58
    assert bytes(same.view) == bytes(other.view) == PATTERN
    other.view[:5] = b"other"
    assert bytes(same.view) == PATTERN
    del same, other
    assert arena.stats().used == 0


def test_arrays_copied_are_no_longer_of_the_arena(arena):
    pytest.importorskip("numpy")
    array = arena.zeros(10_000, "u1")
    copies = [copy.copy(array), copy.deepcopy(array), array.copy(), array[::2] + 1]
    del array
    assert arena.stats().used == 0
    assert copies[0].sum() == 0


@pytest.mark.alone
def test_an_arena_in_a_cycle_ends_when_it_is_found(Arena):
    def count():
        return len(os.listdir("/proc/self/fd"))

    gc.collect()
    n_descriptors = count()
    for _ in range(5):
        arena = Arena("256 KiB")
        arena.me = arena
        arena.view = arena.alloc(10_000).view
        arena.alloc(1)
        del arena
        gc.collect()
    assert count() == n_descriptors


def test_a_finalizer_in_a_cycle_with_its_arena(Arena):
    """What a finalizer may still call must not meet memory that is gone."""
    answers = []

    class Last(Node):
        def __del__(self):
            try:
                answers.append(len(self.arena.alloc(100).view))
            except OSError as refusal:
                answers.append(str(refusal))

    for _ in range(5):
        Last(arena=Arena("256 KiB"))
        gc.collect()
    assert len(answers) == 5
    assert set(answers) == {100} or all("lock" in str(answer) for answer in answers)
