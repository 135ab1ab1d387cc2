"""The workers of one machine, and the comparison of what they see with the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from pagebuddy import Arena
from verification.arena_machine.model import NaiveArena
from verification.arena_machine.place import SHARED_KINDS, Place
from verification.processes_machine.nursery import Nursery, Pupil, Refused
from verification.processes_machine.wire import Wire

picks = st.integers(0, 1 << 16)
sizes = st.one_of(st.integers(1, 600), st.integers(1, 20_000))


@dataclass
class Object:
    """An object of a worker: its buffer's page, the size that it knows, and where it begins."""

    page: int
    nbytes: int
    n_pages: int
    is_view: bool = False
    start: int = 0
    readonly: bool = False

    @property
    def places(self) -> slice:
        """Where its bytes are in the buffer."""
        return slice(self.start, self.start + self.nbytes)


class Crew(RuleBasedStateMachine):
    """The workers by name, the objects of each, and the model of the arena that they share."""

    nurseries: ClassVar[list[Nursery]]
    lock: ClassVar[str | None] = None

    def __init__(self) -> None:
        super().__init__()
        self.workers: dict[str, Pupil] = {}
        self.idle: list[Pupil] = []
        self.asleep: list[Pupil] = []
        self.objects: dict[tuple[str, int], Object] = {}
        self.slots: dict[int, str] = {}
        self.numbers = 0
        self.place: Place | None = None

    @initialize(
        kind=st.sampled_from(SHARED_KINDS),
        pages=st.sampled_from([(64, 97), (256, 40), (4096, 16)]),
        slots=st.sampled_from([48, 113]),
        n_workers=st.integers(0, 3),
    )
    def construct(self, kind: str, pages: tuple[int, int], slots: int, n_workers: int) -> None:
        self.page_size, n_pages = pages
        self.place = Place(kind)
        arena = self.place.make(
            Arena, self.page_size * n_pages, page_size=self.page_size, slots=slots, lock=self.lock
        )
        self.model = NaiveArena(n_pages)
        # From now on, the next process that attaches may be the first.
        arena.close()
        for i in range(n_workers):
            self.attach(self.nurseries[i % len(self.nurseries)].bear())

    # Workers

    @property
    def at_work(self) -> list[str]:
        """The names of the attached workers."""
        return list(self.workers)

    def attach(self, pupil: Pupil) -> str:
        """Attach a worker that has nothing. Return its new name."""
        assert self.place is not None
        kind, path = self.place.kind, self.place.path
        if kind == "anonymous":
            slot = pupil.call("attach", None, fds=(self.place.fd,))
        else:
            slot = pupil.call("attach", self.place.name if kind == "named" else path)
        name = self.named(pupil, slot)
        self.model.attach(name)
        return name

    def named(self, pupil: Pupil, slot: int) -> str:
        """Name a worker that just got a slot. Return the name."""
        self.numbers += 1
        name = f"{pupil.engine} {self.numbers}"
        self.workers[name] = pupil
        self.slots[slot] = name
        return name

    def fork(self, parent: str) -> str:
        """Fork a worker. Return the child's name."""
        ours, theirs = Wire.pair()
        self.workers[parent].call("fork", fds=(theirs.fileno(),))
        theirs.close()
        child = Pupil(self.workers[parent].engine, ours)
        pid, slot = child.answer()
        child.known_as(pid)
        name = self.named(child, slot)
        self.model.fork(parent, name)
        for (who, number), thing in list(self.objects.items()):
            if who == parent:
                self.objects[name, number] = replace(thing)
        return name

    def forget(self, name: str) -> Pupil:
        """Remove a worker and its objects. Return the worker."""
        for key in [key for key in self.objects if key[0] == name]:
            del self.objects[key]
        return self.workers.pop(name)

    # Objects

    def of(self, name: str) -> dict[int, Object]:
        """Return the objects of a worker by their numbers."""
        return {number: thing for (who, number), thing in self.objects.items() if who == name}

    def number(self) -> int:
        """Return a new number for an object."""
        self.numbers += 1
        return self.numbers

    def has(self, name: str, number: int, thing: Object) -> None:
        """Add an object of a worker."""
        self.objects[name, number] = thing
        self.model.hold(thing.page, name)

    def page(self, offset: int) -> int:
        """Return the page at an offset."""
        assert offset % self.page_size == 0
        return offset // self.page_size

    def pick(self, pick: int, among: list[Any]) -> Any:
        """Choose an element by a number."""
        return among[pick % len(among)]

    @contextmanager
    def refused(self, *kinds: str) -> Iterator[None]:
        """The block must raise an error with one of these names."""
        kind = "nothing"
        try:
            yield
        except Refused as error:
            kind = error.kind
        assert kind in kinds

    # Comparing

    @invariant()
    def every_byte_is_what_was_written(self) -> None:
        for name, worker in self.workers.items():
            objects = self.of(name)
            read = worker.call("read")
            assert read.keys() == objects.keys()
            for number, content in read.items():
                thing = objects[number]
                expected = self.model.buffers[thing.page].contents[thing.places]
                assert len(content) == thing.nbytes
                assert content[: len(expected)] == expected, f"wrong bytes in {thing}"

    @invariant()
    def all_see_the_same(self) -> None:
        """Compare what one worker of each engine sees; take turns among them."""
        self.numbers += 1
        for nursery in self.nurseries:
            names = [name for name in self.workers if self.workers[name].engine == nursery.engine]
            if names:
                self.compare(self.pick(self.numbers, names))

    def compare(self, name: str) -> None:
        """Compare all that a worker reports with the model."""
        stats, rows, processes = self.workers[name].call("look")
        self.model.check(stats, self.rows(rows))
        for process in processes:
            who = self.slots[process.slot]
            held = [b.n_pages for b in self.model.buffers.values() if who in b.holders]
            assert (process.me, process.alive) == (who == name, who in self.model.alive)
            assert (process.buffers, process.nbytes) == (len(held), sum(held) * self.page_size)
            assert not process.sticky

    def rows(self, rows: list[Any]) -> set[tuple[Any, ...]]:
        """Convert rows of buffers to those of the model."""
        return {
            (
                self.page(row.offset),
                row.n_pages,
                row.key,
                row.kind,
                row.nbytes if row.kept else None,
                frozenset(self.slots[slot] for slot in row.holders),
                row.tickets,
            )
            for row in rows
        }


def pattern(seed: int, n_bytes: int) -> bytes:
    """Return bytes that depend on a seed."""
    return Random(seed).randbytes(n_bytes)
