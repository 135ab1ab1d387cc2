"""What a Buffer is, and is not, so that no view can outlive its pages by it."""

import gc
import pickle

import pytest


@pytest.fixture
def buffer(arena):
    """A buffer of three pages."""
    return arena.alloc(10_000)


def test_it_has_no_subclasses(buffer):
    with pytest.raises(TypeError):
        type("Other", (type(buffer),), {})


def test_it_is_not_made_by_hand(buffer):
    with pytest.raises(TypeError, match="alloc"):
        type(buffer)()
    with pytest.raises(TypeError):
        object.__new__(type(buffer), 1)


def test_not_even_new_makes_one(buffer):
    with pytest.raises(TypeError, match="alloc"):
        type(buffer).__new__(type(buffer))


def test_pages_made_by_hand_give_nothing_away(arena, buffer, engine):
    if engine == "uncompiled":
        pytest.skip("they are an array of ctypes here")
    pages = type(buffer.view.obj)
    for made in (pages, lambda: pages.__new__(pages)):
        with pytest.raises(TypeError, match="alloc"):
            made()
    assert arena.stats().used == 3


def test_what_the_garbage_collector_must_not_know(buffer, engine):
    assert not gc.is_tracked(buffer.view.obj)
    if engine == "compiled":
        assert not gc.is_tracked(buffer)
        with pytest.raises(AttributeError):
            buffer.other = 1


def test_what_exports_cannot_be_pickled(buffer):
    for export in (buffer.view, buffer.view.obj):
        with pytest.raises((TypeError, pickle.PicklingError)):
            pickle.dumps(export, 5)


@pytest.mark.parametrize("use", [memoryview, bytes, "numpy.frombuffer", "numpy.ndarray"])
def test_uncompiled_it_is_no_buffer_and_says_what_is(buffer, engine, use):
    if engine == "compiled":
        pytest.skip("it is one")
    if isinstance(use, str):
        np = pytest.importorskip("numpy")
        use = {"frombuffer": np.frombuffer, "ndarray": lambda b: np.ndarray(9, "u1", buffer=b)}[
            use.split(".")[1]
        ]
    with pytest.raises(TypeError, match=r"\.view"):
        use(buffer)


def test_released_it_refuses_and_its_views_do_not(buffer):
    view = buffer.view
    view[:3] = b"abc"
    buffer.release()
    for use in (
        lambda: buffer.view,
        lambda: buffer.array(),
        lambda: buffer.resize(1),
        lambda: buffer.keep("key"),
        lambda: buffer.__enter__(),
        lambda: buffer.__copy__(),
    ):
        with pytest.raises(ValueError, match="released"):
            use()
    assert bytes(view[:3]) == b"abc"


def test_of_a_view_no_byte_behind_what_was_asked_for_is_seen(buffer):
    assert len(buffer.view) == len(buffer) == 10_000
    assert buffer.view.contiguous
    assert not buffer.view.readonly
    if hasattr(type(buffer), "__buffer__"):
        assert len(memoryview(buffer)) == 10_000
