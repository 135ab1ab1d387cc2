"""The base of all rules: the arena, its model, and the comparison after each rule."""

from __future__ import annotations

from random import Random
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pagebuddy import Arena, OutOfPages
from verification.arena_machine.model import NaiveArena
from verification.arena_machine.place import KINDS, Place
from verification.arena_machine.reference import Reference
from verification.arena_machine.refusal import Refusal

ME = "me"
KEYS = st.sampled_from(["a", "b", "a key of the 47 ASCII characters that it may be"])

picks = st.integers(0, 1 << 16)
seeds = st.integers(0, 1 << 16)
sizes = st.one_of(st.integers(1, 400), st.integers(1, 2000), st.integers(1, 100_000))


class Ground(RuleBasedStateMachine):
    """An arena of any kind, the `Arena` objects for it, which take turns, and the references into it.

    Looking at an arena returns its cached pages to the free lists. The rule `look_away` leaves out the
    comparison after a few steps, so that cached pages are also used.
    """

    arena_class: ClassVar[type[Arena]] = Arena

    def __init__(self) -> None:
        super().__init__()
        self.arenas: list[Any] = []
        self.references: list[Reference] = []
        self.turn = 0
        self.steps_unseen = 0

    @initialize(
        kind=st.sampled_from(KINDS),
        pages=st.sampled_from([(64, 97), (64, 256), (256, 40), (4096, 24), (4096, 1)]),
        max_order=st.sampled_from([None, None, 0, 2, 31]),
        slots=st.sampled_from([48, 48, 113]),
        keys=st.sampled_from([None, 1, 3, 6]),
        file_lock=st.booleans(),
    )
    def construct(
        self,
        kind: str,
        pages: tuple[int, int],
        max_order: int | None,
        slots: int,
        keys: int | None,
        file_lock: bool,
    ) -> None:
        page_size, n_pages = pages
        options: dict[str, Any] = {"page_size": page_size, "max_order": max_order, "keys": keys}
        size = page_size * n_pages
        if kind == "given":
            # The memory also contains the tables, at their smallest size.
            size += 16_384
        else:
            options |= {"slots": slots, "lock": "file" if file_lock else None}
        self.place = Place(kind)
        self.arenas = [self.place.make(self.arena_class, size, **options)]
        layout = self.arena._attachment.layout
        self.page_size: int = layout.page_size
        self.n_pages: int = layout.n_pages
        self.n_entries: int = layout.n_entries
        self.n_tickets: int = layout.n_tickets
        self.model = NaiveArena(self.n_pages, layout.max_order)
        self.model.attach(ME)
        self.slots = {self.own_slot(): ME}

    @property
    def arena(self) -> Any:
        """The `Arena` object to use next."""
        self.turn += 1
        return self.arenas[self.turn % len(self.arenas)]

    def own_slot(self) -> int:
        """Return this process's slot."""
        slot: int = next(row.slot for row in self.arena.processes() if row.me)
        return slot

    # Used by all rules

    def pages_for(self, nbytes: int) -> int:
        """Return the number of pages for a number of bytes."""
        return -(-nbytes // self.page_size)

    def page_of(self, buffer: Any) -> int:
        """Return the first page of a Buffer."""
        assert buffer.offset % self.page_size == 0
        page: int = buffer.offset // self.page_size
        return page

    def pick(self, pick: int, among: list[Any]) -> Any:
        """Choose an element by a number."""
        return among[pick % len(among)]

    @property
    def shown(self) -> list[Reference]:
        """The references that are not released."""
        return [reference for reference in self.references if reference.shows]

    @property
    def writable(self) -> list[Reference]:
        """The references through which bytes can be stored."""
        return [reference for reference in self.shown if not reference.readonly]

    @property
    def buffers(self) -> list[Reference]:
        """The Buffers that are not released."""
        return [reference for reference in self.shown if reference.is_buffer]

    def out_of_pages(self, requested: int) -> Refusal:
        """The block must raise `OutOfPages`, with the figures of the model."""

        def check(error: OutOfPages) -> None:
            pages = self.model.pages
            told = error.requested, error.free, error.largest_free
            assert told == (requested, pages.n_free(), pages.largest_free())

        return Refusal(OutOfPages, check=check)

    def refused(self, *errors: type[Exception]) -> Refusal:
        """The block must raise one of these errors."""
        return Refusal(*errors)

    def refer(self, reference: Reference) -> Reference:
        """Add a reference to a buffer."""
        self.model.hold(reference.page, ME)
        self.references.append(reference)
        return reference

    def refer_to_buffer(self, buffer: Any) -> Reference:
        """Add a Buffer for a live buffer."""
        assert buffer.capacity == self.model.buffers[self.page_of(buffer)].n_pages * self.page_size
        return self.refer(
            Reference(self.page_of(buffer), buffer, range(buffer.nbytes), is_buffer=True)
        )

    def own(self, reference: Reference, n_pages: int, seed: int | None) -> None:
        """Add the first reference to a new buffer. With a seed, fill the buffer."""
        self.model.alloc(reference.page, n_pages, ME)
        self.references.append(reference)
        if seed is not None:
            content = pattern(seed, len(reference.places))
            self.model.buffers[reference.page].contents[:] = content
            reference.write(content, self.model.buffers[reference.page].contents)

    def forget(self, reference: Reference) -> None:
        """Remove a reference, the only one to its object."""
        self.references.remove(reference)
        if reference.holds:
            self.model.let_go(reference.page, ME)

    # Comparing

    @rule(steps=st.integers(1, 6))
    @precondition(lambda self: not self.steps_unseen)
    def look_away(self, steps: int) -> None:
        self.steps_unseen = steps

    @invariant()
    def contents_are_those_that_were_written(self) -> None:
        for reference in self.shown:
            contents = self.model.buffers[reference.page].contents
            assert reference.is_sound(contents), f"wrong bytes in the buffer at {reference.page}"

    @invariant()
    def does_as_the_model(self) -> None:
        if not self.arenas:
            return
        if self.steps_unseen:
            self.steps_unseen -= 1
        else:
            self.compare()

    def compare(self) -> None:
        """Compare everything that the arena reports with the model."""
        arena = self.arena
        arena.verify()
        rows = {
            (
                row.offset // self.page_size,
                row.n_pages,
                row.key,
                row.kind,
                row.nbytes if row.kept else None,
                frozenset(self.slots[slot] for slot in row.holders),
                row.tickets,
            )
            for row in arena.buffers()
        }
        self.model.check(arena.stats(), rows)
        assert arena.keys() == self.model.keys()
        assert list(arena.objects) == self.model.keys("object")
        for process in arena.processes():
            who = self.slots[process.slot]
            held = [b.n_pages for b in self.model.buffers.values() if who in b.holders]
            assert (process.me, process.alive) == (who == ME, who in self.model.alive)
            assert (process.buffers, process.nbytes) == (len(held), sum(held) * self.page_size)
            assert not process.sticky


def pattern(seed: int, n_bytes: int) -> bytes:
    """Return bytes that depend on a seed."""
    block = Random(seed).randbytes(min(n_bytes, 1021))
    return (block * (n_bytes // max(len(block), 1) + 1))[:n_bytes]
