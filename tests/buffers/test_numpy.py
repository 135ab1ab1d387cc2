"""What numpy makes of a buffer keeps its pages, with and without an export of the buffer protocol."""

import ctypes

import pytest

pytestmark = pytest.mark.one_engine  # one code serves both engines

np = pytest.importorskip("numpy")


class Subclass(np.ndarray):
    """An array of a class of its own."""


def over_released(source):
    view = memoryview(source)
    array = np.ndarray(10_000, "u1", buffer=view)
    view.release()
    return array


def pointer(source):
    array = np.ndarray(10_000, "u1", buffer=source)
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_ubyte))


def whole(source):
    return np.ndarray(10_000, "u1", buffer=source)


CONSUMERS = {
    "ndarray": (whole, bytes),
    "slice": (lambda s: whole(s).reshape(100, 100)[3:90:7, ::2], lambda part: part.tobytes()),
    "transposed": (lambda s: whole(s).reshape(100, 100).T, lambda part: part.tobytes()),
    "view of a view": (lambda s: whole(s)[16:].view("f8")[::-1].view("u8"), bytes),
    "structure's field": (lambda s: whole(s).view("i2,i8")["f1"], bytes),
    "subclass": (lambda s: Subclass(10_000, "u1", buffer=s), bytes),
    "view of a subclass": (lambda s: whole(s).view(Subclass)[5:], bytes),
    "recarray": (lambda s: np.recarray((625,), "i8,i8", buf=s), bytes),
    "frombuffer": (lambda s: np.frombuffer(s, "u1"), bytes),
    "frombuffer, reshaped": (lambda s: np.frombuffer(s, "u2").reshape(50, 100)[1:], bytes),
    "asarray": (lambda s: np.asarray(memoryview(s)), bytes),
    "strides": (
        lambda s: np.lib.stride_tricks.as_strided(whole(s), (99, 99), (100, 1)),
        lambda part: part.tobytes(),
    ),
    "broadcast": (lambda s: np.broadcast_to(whole(s), (2, 10_000)), lambda part: part.tobytes()),
    "flat iterator": (lambda s: whole(s).flat, lambda flat: bytes(list(flat))),
    "nditer": (lambda s: np.nditer(whole(s)), lambda items: bytes(int(i) for i in items)),
    "DLPack": (lambda s: np.from_dlpack(whole(s)), bytes),
    "DLPack's capsule": (
        lambda s: Packed(whole(s).__dlpack__()),
        lambda p: bytes(np.from_dlpack(p)),
    ),
    "memoryview": (lambda s: whole(s).data, bytes),
    "pointer": (pointer, lambda p: bytes(p[:10_000])),
}


class Packed:
    """A capsule of DLPack without the array that it was made from."""

    def __init__(self, capsule):
        self.capsule = capsule

    def __dlpack__(self, **asked):
        return self.capsule

    def __dlpack_device__(self):
        return 1, 0


@pytest.mark.parametrize("kind", CONSUMERS)
def test_it_keeps_its_pages(prove, kind):
    prove(*CONSUMERS[kind])


def test_an_array_over_a_released_memoryview(prove):
    prove(over_released)
