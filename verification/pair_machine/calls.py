"""The calls on a buffer and on its arena, each by a name.

A call is a function of the ground and of `meet`, which is called where code of the program runs in the
middle of the call: in the arguments. It notes what it gets by `ground.see`.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from verification.pair_machine.ground import KEY, OUR_PAGES, PAGE, Ground, Loud, Meet

Call = Callable[[Ground, Meet], None]

# What a call may raise because of the other: the buffer was released, is shrinking, is seen by others,
# or the arena is full; a thread is in an operation already.
REFUSALS = (ValueError, BufferError, MemoryError, KeyError, RuntimeError)


class Number:
    """A number that meets another call when it is asked for its value."""

    def __init__(self, value: int, meet: Meet) -> None:
        self.value, self.meet = value, meet

    def __index__(self) -> int:
        self.meet()
        return self.value

    def __float__(self) -> float:
        self.meet()
        return float(self.value)


class Truth:
    """A truth value that meets another call when it is asked for."""

    def __init__(self, meet: Meet) -> None:
        self.meet = meet

    def __bool__(self) -> bool:
        self.meet()
        return True


class Key(str):
    """A key whose comparisons and length meet another call."""

    meet: Meet

    def __eq__(self, other: object) -> bool:
        self.meet()
        return str.__eq__(self, str(other))

    def __len__(self) -> int:
        self.meet()
        return str.__len__(self)

    __hash__ = str.__hash__


class Sides:
    """A shape whose length and items meet another call."""

    def __init__(self, sides: tuple[int, ...], meet: Meet) -> None:
        self.sides, self.meet = sides, meet

    def __len__(self) -> int:
        self.meet()
        return len(self.sides)

    def __iter__(self) -> Iterator[Number]:
        self.meet()
        return (Number(side, self.meet) for side in self.sides)

    def __getitem__(self, at: int) -> Number:
        return Number(self.sides[at], self.meet)


class Slice:
    """Something with a base, as an array has, and with a buffer; both meet another call."""

    def __init__(self, base: Any, meet: Meet) -> None:
        self._base, self.meet = base, meet

    @property
    def base(self) -> Any:
        self.meet()
        return self._base

    def __buffer__(self, flags: int) -> memoryview:
        self.meet()
        return memoryview(self._base)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        self.meet()
        return self._base

    def __reduce__(self) -> Any:
        self.meet()
        return _same, (self._base,)


def _same(thing: Any) -> Any:
    return thing


def key(meet: Meet) -> Key:
    """Return our key, which meets another call."""
    made = Key(KEY)
    made.meet = meet
    return made


def resize(ground: Ground, meet: Meet, n_pages: int) -> None:
    ground.buffer.resize(Number(n_pages * PAGE, meet))


def keep(ground: Ground, meet: Meet) -> None:
    ground.buffer.keep(key(meet), replace=Truth(meet), flush=Truth(meet))


def look(ground: Ground, meet: Meet) -> None:
    buffer = ground.buffer
    meet()
    assert buffer.offset == ground.offset
    assert len(buffer) <= buffer.capacity or buffer.nbytes
    repr(buffer), buffer.kept


def serve(ground: Ground, meet: Meet) -> None:
    # Uncompiled this is a TypeError.
    with suppress(TypeError):
        ground.see(memoryview(ground.buffer))


def send(ground: Ground, meet: Meet) -> None:
    # Noted first, so that no other call gets between.
    handle = pickle.dumps(ground.buffer)
    ground.handles.append((pickle.loads, handle))


def send_as_text(ground: Ground, meet: Meet) -> None:
    handle = pickle.dumps(ground.buffer, 0)
    ground.handles.append((pickle.loads, handle))


def dump(ground: Ground, meet: Meet) -> None:
    data = ground.arena.dumps([Slice(None, meet), ground.buffer])
    ground.handles.append((lambda data: ground.arena.loads(data)[1], data))


def dump_view(ground: Ground, meet: Meet) -> None:
    data = ground.arena.dumps([Slice(None, meet), ground.buffer.view])
    ground.handles.append((lambda data: ground.arena.loads(data)[1], data))


def enter(ground: Ground, meet: Meet) -> None:
    with ground.buffer as buffer:
        meet()
        ground.see(buffer.view)


def deepcopy(ground: Ground, meet: Meet) -> None:
    ground.see(copy.deepcopy(ground.buffer))


def array(ground: Ground, meet: Meet) -> None:
    ground.see(ground.buffer.array(Sides((4, PAGE), meet), "u1"))


def all_of_array(ground: Ground, meet: Meet) -> None:
    ground.see(ground.buffer.array())


def buffer_of(ground: Ground, meet: Meet) -> None:
    ground.see(ground.arena.buffer_of(Slice(ground.buffer, meet)))


def buffer_of_view(ground: Ground, meet: Meet) -> None:
    ground.see(ground.arena.buffer_of(ground.buffer.view))


def buffer_at(ground: Ground, meet: Meet) -> None:
    # Whatever buffer is there by now: it may be another's.
    ground.arena.buffer_at(Number(ground.offset, meet))


def find(ground: Ground, meet: Meet) -> None:
    ground.see(ground.arena[key(meet)])


def contains(ground: Ground, meet: Meet) -> None:
    key(meet) in ground.arena  # noqa: B015


def stranger(ground: Ground, meet: Meet) -> None:
    ground.stranger()


def release_and_replace(ground: Ground, meet: Meet) -> None:
    ground.buffer.release()
    ground.stranger()


def alloc(ground: Ground, meet: Meet) -> None:
    made = ground.arena.alloc(
        Number(OUR_PAGES * PAGE, meet), align=Number(PAGE, meet), zero=Truth(meet), keep=None
    )
    made.view[:] = b"\xee" * len(made)
    ground.strangers.append(made)


def copy_in(ground: Ground, meet: Meet) -> None:
    copied = ground.arena.copy(Slice(ground.buffer.array(), meet))
    ground.see(copied)


def copied(ground: Ground, meet: Meet) -> None:
    ground.see(copy.copy(ground.buffer))


def set_object(ground: Ground, meet: Meet) -> None:
    ground.arena.objects[key(meet)] = ground.object(meet)


@contextmanager
def reading(meet: Meet) -> Iterator[None]:
    """Let unpickling meet another call. Whatever that does, the object is whole."""
    try:
        with Loud.heard_by(meet):
            yield
    except ValueError as error:
        raise AssertionError("a part of an object was read") from error


def set_default(ground: Ground, meet: Meet) -> None:
    with reading(meet):
        ground.see(ground.arena.objects.setdefault(key(meet), ground.object(meet))[0])


def get_object(ground: Ground, meet: Meet) -> None:
    with reading(meet):
        ground.see(ground.arena.objects[key(meet)][0])


def get_writable_object(ground: Ground, meet: Meet) -> None:
    with reading(meet):
        found = ground.arena.objects.get(key(meet), writable=Truth(meet))
    if found is not None:
        ground.see(found[0])


def pop_object(ground: Ground, meet: Meet) -> None:
    with reading(meet):
        ground.see(ground.arena.objects.pop(key(meet))[0])


def delete_object(ground: Ground, meet: Meet) -> None:
    del ground.arena.objects[key(meet)]


def contains_object(ground: Ground, meet: Meet) -> None:
    key(meet) in ground.arena.objects  # noqa: B015


CALLS: dict[str, Call] = {
    "view": lambda ground, meet: ground.see(ground.buffer.view),
    "array": array,
    "array of all": all_of_array,
    "look": look,
    "memoryview": serve,
    "lengthen": lambda ground, meet: resize(ground, meet, OUR_PAGES + 7),
    "shorten": lambda ground, meet: resize(ground, meet, 4),
    "resize to the same": lambda ground, meet: resize(ground, meet, OUR_PAGES),
    "keep": keep,
    "unkeep": lambda ground, meet: ground.buffer.unkeep(),
    "release": lambda ground, meet: ground.buffer.release(),
    "enter": enter,
    "copy": copied,
    "deepcopy": deepcopy,
    "pickle": send,
    "pickle as text": send_as_text,
    "arena.dumps": dump,
    "arena.dumps of a view": dump_view,
    "arena.buffer_of": buffer_of,
    "arena.buffer_of a view": buffer_of_view,
    "arena.buffer_at": buffer_at,
    "arena[key]": find,
    "key in arena": contains,
    "objects[key] = x": set_object,
    "objects.setdefault": set_default,
    "objects[key]": get_object,
    "objects.get writable": get_writable_object,
    "objects.pop": pop_object,
    "del objects[key]": delete_object,
    "key in objects": contains_object,
    "arena.alloc": alloc,
    "arena.copy": copy_in,
    "release, and another gets the pages": release_and_replace,
    "another gets free pages": stranger,
    "arena.trim": lambda ground, meet: ground.arena.trim() and None,
    "arena.stats": lambda ground, meet: ground.arena.stats() and None,
}
