"""Rules of handles, and of objects that are dumped and loaded."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from pagebuddy import OutOfPages, OutOfTickets, StaleHandle
from pagebuddy.buffers.arrays import numpy
from pagebuddy.buffers.bodies.words import SMALL
from verification.arena_machine.ground import ME, pattern, picks, seeds
from verification.arena_machine.objects import Objects
from verification.arena_machine.reference import Reference


class Part(NamedTuple):
    """What a part of a dumped object was, without holding its buffer."""

    is_buffer: bool
    page: int
    places: range
    readonly: bool


@dataclass
class Sent:
    """A dumped object: the references that are its parts, and the page of each of its handles.

    `copied` is the page of the copy of an array that is not in the arena, or None.
    """

    data: bytes
    parts: list[Part]
    handles: list[tuple[bytes, int]]
    foreign: bytes
    copied: int | None


class Sending(Objects):
    """Operations that pass buffers to another process. Here the same process receives them."""

    def __init__(self) -> None:
        super().__init__()
        self.handles: list[bytes] = []
        self.sent: list[Sent] = []

    def has_tickets(self, n: int) -> bool:
        """Return whether `n` handles can be made. If there are too few tickets, reap the dead first."""
        if self.model.n_tickets + n > self.n_tickets:
            self.model.reap()
        return self.model.n_tickets + n <= self.n_tickets

    @precondition(lambda self: self.buffers)
    @rule(pick=picks)
    def send(self, pick: int) -> None:
        reference = self.pick(pick, self.buffers)
        if not self.has_tickets(1):
            with self.refused(OutOfTickets):
                pickle.dumps(reference.thing)
            return
        handle = pickle.dumps(reference.thing)
        assert len(handle) < 250
        self.handles.append(handle)
        self.model.send(reference.page, handle, reference.thing.nbytes)

    @precondition(lambda self: self.handles)
    @rule(pick=picks)
    def claim(self, pick: int) -> None:
        handle = self.pick(pick, self.handles)
        page = self.model.page_of(handle)
        if page is None or self.place.kind == "given":
            # Handles of an arena that is not shared cannot be claimed.
            with self.refused(StaleHandle):
                pickle.loads(handle)
            return
        nbytes = self.model.buffers[page].tickets[handle]
        reference = self.refer_to_buffer(pickle.loads(handle))
        assert (reference.page, reference.thing.nbytes) == (page, nbytes)
        self.model.claim(handle, ME)
        self.model.let_go(page, ME)

    # Whole objects

    def may_travel(self, reference: Reference) -> bool:
        """Return whether it is sent as a handle. Empty views and memoryviews with a step are not."""
        if reference.is_buffer:
            return True
        if not len(reference.places):
            return False
        if reference.places.step == 1:
            return True
        # The buffer may have been shortened, and be too short for a view with a step.
        buffer = self.arena.buffer_of(reference.thing)
        fits: bool = reference.places[-1] < buffer.nbytes
        return fits and not isinstance(reference.thing, memoryview)

    @rule(
        chosen=st.sets(picks, max_size=4),
        foreign=st.sampled_from([0, 0, 1, SMALL - 1, SMALL, 9000]),
        seed=seeds,
    )
    def dump(self, chosen: set[int], foreign: int, seed: int) -> None:
        travelling = [reference for reference in self.shown if self.may_travel(reference)]
        indices = {pick % len(travelling) for pick in chosen} if travelling else set()
        parts = [travelling[i] for i in sorted(indices)]
        content = pattern(seed, foreign)
        thing = [[part.thing for part in parts], numpy().frombuffer(bytearray(content), "u1")]
        pages = sorted({part.page for part in parts})
        copied = foreign >= SMALL
        n_copied = self.pages_for(foreign)
        if copied and not self.model.has_room(n_copied):
            with self.refused(OutOfPages):
                self.arena.dumps(thing)
            return
        if not self.has_tickets(len(pages) + copied):
            with self.refused(OutOfTickets):
                self.arena.dumps(thing)
            return
        before = set(self.model.buffers)
        data = self.arena.dumps(thing)
        sent = Sent(
            data,
            [Part(part.is_buffer, part.page, part.places, part.readonly) for part in parts],
            [(b"%d of " % i + data, page) for i, page in enumerate(pages)],
            content,
            None,
        )
        for handle, page in sent.handles:
            self.model.send(page, handle, 0)
        if copied:
            there = {row.offset // self.page_size for row in self.arena.buffers()}
            assert len(there - before) == 1
            sent.copied = (there - before).pop()
            self.model.alloc(sent.copied, n_copied, ME)
            self.model.buffers[sent.copied].contents[:] = content
            sent.handles.append((b"the copy of " + data, sent.copied))
            self.model.send(sent.copied, sent.handles[-1][0], foreign)
            self.model.let_go(sent.copied, ME)
        self.sent.append(sent)

    @precondition(lambda self: self.sent)
    @rule(pick=picks)
    def load(self, pick: int) -> None:
        sent = self.pick(pick, self.sent)
        if sent.handles and self.model.page_of(sent.handles[0][0]) is None:
            with self.refused(StaleHandle):
                self.arena.loads(sent.data)
            return
        things, array = self.arena.loads(sent.data)
        for part, thing in zip(sent.parts, things, strict=True):
            places = range(thing.nbytes) if part.is_buffer else part.places
            self.refer(
                Reference(
                    part.page, thing, places, is_buffer=part.is_buffer, readonly=part.readonly
                )
            )
        if sent.copied is None:
            assert array.tobytes() == sent.foreign
        else:
            # Another rule may have opened the buffer by its offset and written to it.
            self.refer(Reference(sent.copied, array, range(len(sent.foreign))))
        for handle, page in sent.handles:
            self.model.claim(handle, ME)
            self.model.let_go(page, ME)

    @rule(cut=st.integers(1, 40))
    @precondition(lambda self: self.sent)
    def load_what_was_cut(self, cut: int) -> None:
        with self.refused(ValueError, StaleHandle):
            self.arena.loads(self.sent[-1].data[:-cut])
