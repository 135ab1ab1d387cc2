"""Rules of the objects that an arena keeps under keys, in a namespace of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from pagebuddy import OutOfPages
from pagebuddy.buffers.arrays import numpy
from pagebuddy.exchange.packing import Packed
from verification.arena_machine.ground import KEYS, pattern, picks, seeds
from verification.arena_machine.keeping import Keeping
from verification.arena_machine.reference import Reference


@dataclass
class Thing:
    """An object: a number and an array. `places` are those of the array, `head` the bytes before it."""

    number: int
    head: bytes
    places: range


class Objects(Keeping):
    """Operations of `arena.objects`."""

    def __init__(self) -> None:
        super().__init__()
        # What was kept at each page last.
        self.things: dict[int, Thing] = {}

    @rule(key=KEYS, nbytes=st.sampled_from([1, 100, 3000, 60_000]), seed=seeds)
    def set_object(self, key: str, nbytes: int, seed: int) -> None:
        content = pattern(seed, nbytes)
        thing = [seed, numpy().frombuffer(content, "u1")]
        n_packed = Packed(self.arena, thing).n_bytes
        n_pages = self.pages_for(n_packed)
        if not self.model.has_room(n_pages):
            with self.refused(OutOfPages):
                self.arena.objects[key] = thing
            return
        wrong = self.why_not_kept(None, key, True, "object")
        if wrong:
            with self.refused(wrong):
                self.arena.objects[key] = thing
            return
        self.arena.objects[key] = thing
        rows = [row for row in self.arena.buffers() if (row.kind, row.key) == ("object", key)]
        assert len(rows) == 1
        page = rows[0].offset // self.page_size
        # The new object lies beside the old one until it has taken its place.
        self.model.alloc(page, n_pages, "keeper")
        self.model.keep(page, key, n_packed, "object")
        self.model.let_go(page, "keeper")
        packed = bytes(self.arena.buffer_at(page * self.page_size).view)
        assert (len(packed), packed[-nbytes:]) == (n_packed, content)
        self.model.buffers[page].contents[:] = packed
        places = range(n_packed - nbytes, n_packed)
        self.things[page] = Thing(seed, packed[:-nbytes], places)

    @rule(key=KEYS, writable=st.booleans())
    def get_object(self, key: str, writable: bool) -> None:
        page = self.model.page_under(key, "object")
        assert (key in self.arena.objects) == (page is not None)
        if page is None:
            assert self.arena.objects.get(key, 5, writable=writable) == 5
            with self.refused(KeyError):
                self.arena.objects[key]
        elif not self.may_be_damaged(page):
            objects = self.arena.objects
            thing = objects.get(key, writable=True) if writable else objects[key]
            self.refer_to_object(page, thing, writable)

    @precondition(lambda self: self.model.keys("object"))
    @rule(pick=picks, writable=st.booleans())
    def get_object_that_is_kept(self, pick: int, writable: bool) -> None:
        self.get_object(self.pick(pick, self.model.keys("object")), writable)

    @rule(key=KEYS)
    def delete_object(self, key: str) -> None:
        page = self.model.page_under(key, "object")
        if page is None:
            with self.refused(KeyError):
                del self.arena.objects[key]
            return
        del self.arena.objects[key]
        self.model.unkeep(page)

    @rule(key=KEYS)
    def pop_object(self, key: str) -> None:
        page = self.model.page_under(key, "object")
        if page is None:
            assert self.arena.objects.pop(key, 5) == 5
            with self.refused(KeyError):
                self.arena.objects.pop(key)
        elif not self.may_be_damaged(page):
            self.refer_to_object(page, self.arena.objects.pop(key), False)
            self.model.unkeep(page)

    def refer_to_object(self, page: int, thing: Any, writable: bool) -> None:
        """Compare an object with what was kept, and add a reference to its array."""
        number, array = thing
        there = self.things[page]
        assert (number, array.flags.writeable) == (there.number, writable)
        self.refer(Reference(page, array, there.places, readonly=not writable))

    def may_be_damaged(self, page: int) -> bool:
        """Return whether bytes in front of an object's array may differ from what was kept.

        Other rules may have opened the buffer by its offset, and written to it or shortened it.
        """
        buffer, there = self.model.buffers[page], self.things[page]
        if buffer.nbytes < there.places.stop:
            with self.refused(ValueError):
                self.arena.objects[buffer.key]
            return True
        return buffer.contents[: there.places.start] != there.head
