"""The complete machine: processes of both engines share an arena, perform operations, and are killed."""

from __future__ import annotations

import sys
from copy import deepcopy
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from verification.arena_machine.model import NaiveArena
from verification.processes_machine.crew import Object, pattern, picks, sizes
from verification.processes_machine.nursery import Nursery
from verification.processes_machine.objects import KEYS, SIZES_OF_OBJECTS, Objects

MOST_AT_WORK = 4


class ProcessesMachine(Objects):
    """Operations of processes on an arena, in any order, one process at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.handles: list[bytes] = []

    def some_object(self, pick: int, *, views: bool = False) -> tuple[str, int, Object]:
        """Return an object of any worker: the worker's name, the object's number, and the object."""
        among = [key for key, thing in self.objects.items() if views or not thing.is_view]
        name, number = self.pick(pick, among)
        return name, number, self.objects[name, number]

    @property
    def there_are_buffers(self) -> bool:
        """Whether any worker has a buffer, and not only views."""
        return any(not thing.is_view for thing in self.objects.values())

    # Attaching, forking and ending

    @precondition(lambda self: len(self.workers) < MOST_AT_WORK)
    @rule(pick=picks)
    def arrive(self, pick: int) -> None:
        pupil = self.pick(pick, self.nurseries).bear()
        self.attach(pupil)

    @precondition(lambda self: self.idle and len(self.workers) < MOST_AT_WORK)
    @rule(pick=picks)
    def come_back(self, pick: int) -> None:
        self.attach(self.idle.pop(pick % len(self.idle)))

    @precondition(lambda self: 0 < len(self.workers) < MOST_AT_WORK)
    @rule(pick=picks)
    def be_forked(self, pick: int) -> None:
        self.fork(self.pick(pick, self.at_work))

    @precondition(lambda self: self.workers)
    @rule(pick=picks)
    def leave(self, pick: int) -> None:
        name = self.pick(pick, self.at_work)
        self.workers[name].call("leave")
        self.idle.append(self.forget(name))
        self.model.detach(name)

    @precondition(lambda self: self.workers)
    @rule(pick=picks)
    def be_killed(self, pick: int) -> None:
        name = self.pick(pick, self.at_work)
        self.forget(name).end()
        self.model.die(name)

    @precondition(lambda self: self.workers)
    @rule(pick=picks, how=st.integers(0, 9))
    def exec(self, pick: int, how: int) -> None:
        """The process continues as another program, and is no longer attached to the arena."""
        name = self.pick(pick, self.at_work)
        pupil = self.forget(name)
        self.model.die(name)
        if how == 0:
            # Rare, because it takes as long as all other rules together.
            pupil.wire.say(("begin_anew", ()))
            pupil.answer()
            self.idle.append(pupil)
        else:
            pupil.wire.say(("sleep_as_another_program", ()))
            assert pupil.wire.end.recv(10) == b"\n"
            self.asleep.append(pupil)

    @precondition(lambda self: self.workers)
    @rule(pick=picks, tickets=st.booleans())
    def reap(self, pick: int, tickets: bool) -> None:
        worker = self.workers[self.pick(pick, self.at_work)]
        assert worker.call("reap", 0 if tickets else None) == self.model.reap()
        if tickets:
            self.model.end_handles()

    @precondition(lambda self: self.workers)
    @rule(pick=picks, what=st.sampled_from(["recover", "trim", "flush"]))
    def tend(self, pick: int, what: str) -> None:
        self.workers[self.pick(pick, self.at_work)].call("tend", what)

    # Using buffers

    @precondition(lambda self: self.workers)
    @rule(pick=picks, nbytes=sizes, key=st.one_of(st.none(), st.just(True), KEYS), seed=picks)
    def alloc(self, pick: int, nbytes: int, key: str | bool | None, seed: int) -> None:
        name = self.pick(pick, self.at_work)
        n_pages = -(-nbytes // self.page_size)
        asked = self.number(), nbytes, key
        if not self.model.has_room(n_pages):
            with self.refused("OutOfPages"):
                self.workers[name].call("alloc", *asked)
            return
        if isinstance(key, str) and self.model.page_under(key) is not None:
            with self.refused("ValueError"):
                self.workers[name].call("alloc", *asked)
            return
        page = self.page(self.workers[name].call("alloc", *asked))
        self.model.alloc(page, n_pages, name)
        self.objects[name, asked[0]] = Object(page, nbytes, n_pages)
        if key is not None:
            self.model.keep(page, key if isinstance(key, str) else "", nbytes)
        self.write_to(name, asked[0], seed)

    def write_to(self, name: str, number: int, seed: int) -> None:
        """Let a worker write a pattern to all bytes of one of its objects."""
        thing = self.objects[name, number]
        content = pattern(seed, thing.nbytes)
        self.workers[name].call("write", number, content)
        contents = self.model.buffers[thing.page].contents
        # Behind a gap that nobody knows, nothing is known.
        if thing.start <= len(contents):
            contents[thing.places] = content

    @precondition(lambda self: self.objects)
    @rule(pick=picks, seed=picks)
    def write(self, pick: int, seed: int) -> None:
        name, number, thing = self.some_object(pick, views=True)
        if not thing.readonly:
            self.write_to(name, number, seed)

    @precondition(lambda self: self.objects)
    @rule(pick=picks)
    def view(self, pick: int) -> None:
        name, other, thing = self.some_object(pick, views=True)
        number = self.number()
        self.workers[name].call("view", number, other)
        self.has(name, number, replace(thing, is_view=True))

    @precondition(lambda self: self.there_are_buffers)
    @rule(pick=picks)
    def copy(self, pick: int) -> None:
        name, other, thing = self.some_object(pick)
        number = self.number()
        assert self.page(self.workers[name].call("copy", number, other)) == thing.page
        self.has(name, number, replace(thing))

    @precondition(lambda self: self.workers)
    @rule(pick=picks, page=st.integers(0, 96), live=st.booleans())
    def join(self, pick: int, page: int, live: bool) -> None:
        name = self.pick(pick, self.at_work)
        if live and self.model.buffers:
            page = self.pick(page, sorted(self.model.buffers))
        number, offset = self.number(), page * self.page_size
        if page not in self.model.buffers:
            with self.refused("BadFree", "ValueError"):
                self.workers[name].call("join", number, offset)
            return
        assert self.workers[name].call("join", number, offset) == offset
        there = self.model.buffers[page]
        nbytes = there.nbytes if page in self.model.kept else there.n_pages * self.page_size
        self.has(name, number, Object(page, nbytes, there.n_pages))

    @precondition(lambda self: self.workers)
    @rule(pick=picks, key=KEYS)
    def find(self, pick: int, key: str) -> None:
        name = self.pick(pick, self.at_work)
        page, number = self.model.page_under(key), self.number()
        if page is None:
            with self.refused("KeyError"):
                self.workers[name].call("find", number, key)
            return
        assert self.page(self.workers[name].call("find", number, key)) == page
        there = self.model.buffers[page]
        self.has(name, number, Object(page, there.nbytes, there.n_pages))

    @precondition(lambda self: self.objects)
    @rule(pick=picks)
    def drop(self, pick: int) -> None:
        name, number, thing = self.some_object(pick, views=True)
        self.workers[name].call("drop", number)
        del self.objects[name, number]
        self.model.let_go(thing.page, name)

    @precondition(lambda self: self.there_are_buffers)
    @rule(pick=picks, nbytes=sizes)
    def resize(self, pick: int, nbytes: int) -> None:
        name, number, thing = self.some_object(pick)
        there = self.model.buffers[thing.page]
        n = -(-nbytes // self.page_size)
        # An object that keeps its own size changes at most the length of a kept buffer, and that only if
        # the buffer has not become longer by another object.
        asks = n != thing.n_pages or (there.key is not None and n >= there.n_pages)
        if asks and n < there.n_pages:
            unseen = self.model.is_held_by_one_object(thing.page)
            if n >= thing.n_pages or not unseen:
                with self.refused("BufferError"):
                    self.workers[name].call("resize", number, nbytes)
                return
        possible = not asks or n <= len(self.model.pages.pages)
        if asks and n > there.n_pages:
            possible = self.model.pages.can_resize(thing.page, n)
        assert self.workers[name].call("resize", number, nbytes) is possible
        if not possible:
            return
        thing.nbytes, thing.n_pages = nbytes, n
        if asks:
            self.model.resize(thing.page, n)
            there.nbytes = nbytes
        del there.contents[there.n_pages * self.page_size :]

    # Keeping and sending

    def may_keep(self, page: int, key: str, replace: bool) -> bool:
        """Return whether a buffer can be kept under a key."""
        return replace or self.model.page_under(key) in (None, page)

    @precondition(lambda self: self.there_are_buffers)
    @rule(pick=picks, key=st.one_of(st.just(True), KEYS), replace=st.booleans())
    def keep(self, pick: int, key: str | bool, replace: bool) -> None:
        name, number, thing = self.some_object(pick)
        text = key if isinstance(key, str) else ""
        if not self.may_keep(thing.page, text, replace):
            with self.refused("ValueError"):
                self.workers[name].call("keep", number, key, replace)
            return
        self.workers[name].call("keep", number, key, replace)
        self.model.keep(thing.page, text, thing.nbytes)

    @precondition(lambda self: self.there_are_buffers)
    @rule(pick=picks)
    def unkeep(self, pick: int) -> None:
        name, number, thing = self.some_object(pick)
        self.workers[name].call("unkeep", number)
        self.model.unkeep(thing.page)

    @precondition(lambda self: self.there_are_buffers)
    @rule(pick=picks)
    def send(self, pick: int) -> None:
        name, number, thing = self.some_object(pick)
        handle = self.workers[name].call("send", number)
        self.handles.append(handle)
        self.model.send(thing.page, handle, thing.nbytes)

    @precondition(lambda self: self.handles and self.workers)
    @rule(pick=picks, who=picks)
    def claim(self, pick: int, who: int) -> None:
        handle, name = self.pick(pick, self.handles), self.pick(who, self.at_work)
        page, number = self.model.page_of(handle), self.number()
        if page is None:
            with self.refused("StaleHandle"):
                self.workers[name].call("claim", number, handle)
            return
        there = self.model.buffers[page]
        nbytes = there.tickets[handle]
        assert self.page(self.workers[name].call("claim", number, handle)) == page
        self.model.claim(handle, name)
        self.objects[name, number] = Object(page, nbytes, there.n_pages)

    # Killed inside an operation

    @precondition(lambda self: len(self.workers) > 1 and self.there_are_buffers)
    @rule(
        pick=picks,
        what=st.sampled_from(
            [
                "alloc",
                "drop",
                "resize",
                "keep",
                "unkeep",
                "send",
                "claim",
                "reap",
                "set_object",
                "delete_object",
            ]
        ),
        nbytes=sizes,
        key=KEYS,
        size=SIZES_OF_OBJECTS,
        stores=st.one_of(st.integers(0, 9), st.integers(0, 40)),
    )
    def die_at_work(
        self, pick: int, what: str, nbytes: int, key: str, size: int, stores: int
    ) -> None:
        """A worker killed before a store has completed its operation, or not begun it."""
        name, number, thing = self.some_object(pick)
        pupil = self.workers[name]
        if pupil.engine != "uncompiled" or (what == "claim" and not self.handles):
            return
        handle = self.pick(pick, self.handles) if self.handles else b""
        content = pattern(stores, size)
        asked = {
            "alloc": (self.number(), nbytes, None),
            "drop": (number,),
            "resize": (number, nbytes),
            "keep": (number, key, True),
            "unkeep": (number,),
            "send": (number,),
            "claim": (self.number(), handle),
            "reap": (0,),
            "set_object": (key, stores, content),
            "delete_object": (key,),
        }[what]
        worlds = self.outcomes(name, thing, what, nbytes, key, handle)
        pupil.wire.say(("die_in", (stores, what, *asked)))
        try:
            pupil.wire.hear()
        except EOFError:
            pupil.wait()
        self.forget(name).end()
        for world in worlds:
            world.die(name)
            world.reap()
        first = self.at_work[0]
        other = self.workers[first]
        other.call("reap", None)
        if what == "set_object":
            self.note_if_new(worlds[1], first, key, stores, content)
        rows = self.rows(other.call("look")[1])
        found = [world for world in worlds if world.rows() == rows]
        assert found, f"{what} left {sorted(rows, key=str)}: neither completed nor not begun"
        self.model = found[0]

    def outcomes(
        self, name: str, thing: Object, what: str, nbytes: int, key: str, handle: bytes
    ) -> list[NaiveArena]:
        """Return the allowed models after an interrupted operation: not begun, or completed."""
        n = -(-nbytes // self.page_size)
        worlds = [deepcopy(self.model), deepcopy(self.model)]
        done = worlds[1]
        there = done.buffers[thing.page]
        if what == "resize" and n > there.n_pages and done.pages.can_resize(thing.page, n):
            done.resize(thing.page, n)
            # The size of a kept buffer is a separate store.
            worlds.append(deepcopy(done))
        if what == "resize" and n >= there.n_pages:
            there.nbytes = nbytes
        elif what == "keep":
            done.keep(thing.page, key, thing.nbytes)
        elif what == "unkeep":
            done.unkeep(thing.page)
        elif what == "send":
            done.send(thing.page, f"lost with {name}", thing.nbytes)
        elif what == "claim" and done.page_of(handle) is not None:
            done.claim(handle, name)
        elif what == "reap":
            done.end_handles()
        elif what == "delete_object":
            page = done.page_under(key, "object")
            if page is not None:
                done.unkeep(page)
        return worlds

    # The end

    def teardown(self) -> None:
        try:
            # Not after a failure: a second failure would hide it.
            if self.place is not None and sys.exc_info()[1] is None:
                self.leave_nothing()
        finally:
            for pupil in (*self.workers.values(), *self.idle, *self.asleep):
                pupil.end()
            if self.place is not None:
                self.place.remove()

    def leave_nothing(self) -> None:
        """Kill all workers. The next process finds what was kept and sent; then nothing is left."""
        while self.workers:
            self.be_killed(0)
        last = self.pick(self.numbers, self.nurseries).bear()
        name = self.attach(last)
        self.compare(name)
        last.call("reap", 0)
        self.model.end_handles()
        for page in list(self.model.kept):
            number = self.number()
            last.call("join", number, page * self.page_size)
            last.call("unkeep", number)
            last.call("drop", number)
            self.model.unkeep(page)
        self.compare(name)
        assert not self.model.buffers


def processes_machine_for(nurseries: list[Nursery], lock: str | None) -> type[ProcessesMachine]:
    """Return the machine with workers of these nurseries, on arenas with this lock."""
    own: dict[str, Any] = {"nurseries": nurseries, "lock": lock}
    return type("WorkersMachine", (ProcessesMachine,), own)
