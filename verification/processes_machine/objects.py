"""Rules of the objects that processes keep under keys and read."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from verification.arena_machine.model import NaiveArena
from verification.processes_machine.crew import Crew, Object, pattern, picks
from verification.processes_machine.nursery import Refused

KEYS = st.sampled_from(["a", "b", "c"])
SIZES_OF_OBJECTS = st.sampled_from([1, 100, 3000])


@dataclass
class Thing:
    """An object that is kept: a number and a view. `head` has its bytes before those of the view."""

    number: int
    head: bytes
    n_bytes: int


class Objects(Crew):
    """Operations of `arena.objects`. What one process sets, the others read, old or new, and whole."""

    def __init__(self) -> None:
        super().__init__()
        # What was kept at each page last.
        self.things: dict[int, Thing] = {}

    @precondition(lambda self: self.workers)
    @rule(pick=picks, key=KEYS, nbytes=SIZES_OF_OBJECTS, seed=picks)
    def set_object(self, pick: int, key: str, nbytes: int, seed: int) -> None:
        name, content = self.pick(pick, self.at_work), pattern(seed, nbytes)
        n_packed = self.workers[name].call("packed_size", seed, content)
        if not self.model.has_room(-(-n_packed // self.page_size)):
            with self.refused("OutOfPages"):
                self.workers[name].call("set_object", key, seed, content)
            return
        self.workers[name].call("set_object", key, seed, content)
        self.note_object(self.model, name, key, seed, content)

    def note_object(
        self, model: NaiveArena, name: str, key: str, seed: int, content: bytes
    ) -> None:
        """Look at an object that was just kept, and tell a model of it."""
        offset, packed = self.workers[name].call("look_at_object", key)
        assert packed[-len(content) :] == content
        page = self.page(offset)
        # The new object lies beside the old one until it has taken its place.
        model.alloc(page, -(-len(packed) // self.page_size), "keeper")
        model.keep(page, key, len(packed), "object")
        model.let_go(page, "keeper")
        model.buffers[page].contents[:] = packed
        self.things[page] = Thing(seed, packed[: -len(content)], len(content))

    def note_if_new(self, done: NaiveArena, name: str, key: str, seed: int, content: bytes) -> None:
        """Note an object that a process set which was killed, unless the one before is still there."""
        was = done.page_under(key, "object")
        try:
            offset, _ = self.workers[name].call("look_at_object", key)
        except Refused:
            assert was is None
            return
        if self.page(offset) != was:
            self.note_object(done, name, key, seed, content)

    @precondition(lambda self: self.workers)
    @rule(pick=picks, key=KEYS, how=st.sampled_from(["read", "read", "write", "pop"]))
    def get_object(self, pick: int, key: str, how: str) -> None:
        name, number = self.pick(pick, self.at_work), self.number()
        asked = (number, key) if how == "pop" else (number, key, how == "write")
        call = "pop_object" if how == "pop" else "get_object"
        page = self.model.page_under(key, "object")
        if page is None:
            with self.refused("KeyError"):
                self.workers[name].call(call, *asked)
            return
        there, kept = self.things[page], self.model.buffers[page]
        start = len(there.head)
        if kept.contents[:start] != there.head:
            # A process wrote to it that had opened its buffer. The bytes may still be right by chance.
            return
        assert self.workers[name].call(call, *asked) == there.number
        view = Object(page, there.n_bytes, kept.n_pages, True, start, how != "write")
        self.has(name, number, view)
        if how == "pop":
            self.model.unkeep(page)

    @precondition(lambda self: self.workers)
    @rule(pick=picks, key=KEYS)
    def delete_object(self, pick: int, key: str) -> None:
        worker = self.workers[self.pick(pick, self.at_work)]
        page = self.model.page_under(key, "object")
        if page is None:
            with self.refused("KeyError"):
                worker.call("delete_object", key)
            return
        worker.call("delete_object", key)
        self.model.unkeep(page)
