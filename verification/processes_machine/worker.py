"""A process that does with an arena what it is told.

    python -m verification.processes_machine.worker DESCRIPTOR

Every message is the name of a method with its arguments; every answer is what it returned, or the name
of the error that it raised and its text.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from copy import copy
from typing import Any

import pagebuddy
import pagebuddy.buffers.uncompiled

# Here and not where they are needed: a nursery has them for all its workers.
import pagebuddy.memory.anonymous
import pagebuddy.memory.file
import pagebuddy.memory.named
import pagebuddy.sharing.joining.sending
from pagebuddy.testing.crash import Budget, engine_of_the_mortal
from verification.processes_machine.wire import Wire


class Worker:
    """Has an arena, and objects that lead into it, by the numbers that it was told to give them."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.arena: Any = None
        self.things: dict[int, Any] = {}
        # Uncompiled, it may be told to die before a store.
        self.budget = Budget(end=_die)

    def serve(self) -> None:
        """Do what is told until nobody is there to tell."""
        while True:
            try:
                (name, asked), descriptors = self.wire.hear()
            except EOFError:
                os._exit(0)
            try:
                answer = True, getattr(self, name)(*asked, *descriptors)
            except pagebuddy.PageBuddyError as error:
                answer = False, (type(error).__name__, str(error))
            except (ValueError, KeyError, BufferError) as error:
                answer = False, (type(error).__name__, str(error))
            self.wire.say(answer)
            del answer

    # Coming and going

    def attach(self, place: str | None = None, fd: int = -1) -> int:
        """Attach to the arena of that name, in that file, or behind that descriptor; the slot."""
        arena: Any = pagebuddy.Arena
        if not pagebuddy.COMPILED:
            arena = type("Arena", (arena,), {"_engine": engine_of_the_mortal(self.budget)})
        if place is None:
            self.arena = arena.attach(fd)
            os.close(fd)
        else:
            self.arena = arena.file(place) if "/" in place else arena.attach(place)
        return self.slot()

    def leave(self) -> None:
        """Let go of everything, in order."""
        self.things.clear()
        self.arena.close()
        self.arena = None

    def fork(self, fd: int) -> None:
        """Let a child serve that descriptor, which tells its pid and slot first."""
        if os.fork() == 0:
            self.wire.close()
            self.wire = Wire.of(fd)
            self.wire.say((True, (os.getpid(), self.slot())))
            self.serve()
        os.close(fd)

    def sleep_as_another_program(self) -> None:
        """Become a program that sleeps, and says so through the wire."""
        os.dup2(self.wire.fileno(), 1)
        os.execv("/bin/sh", ["sh", "-c", "echo; exec sleep 1000"])

    def begin_anew(self) -> None:
        """Become a worker that has nothing, in a new interpreter, which says so through the wire."""
        os.set_inheritable(self.wire.fileno(), True)
        module = "verification.processes_machine.worker"
        os.execv(sys.executable, [sys.executable, "-m", module, str(self.wire.fileno())])

    def die_in(self, stores: int, name: str, *asked: Any) -> Any:
        """Be told something, and die before the store after so many of it."""
        self.budget.left = self.budget.spent + stores
        try:
            return getattr(self, name)(*asked)
        finally:
            self.budget.left = None

    def slot(self) -> int:
        """This process's slot."""
        slot: int = self.arena._attachment.figures["slot"]
        return slot

    # Having

    def alloc(self, number: int, nbytes: int, key: str | bool | None) -> int:
        """Have a new buffer; its offset."""
        return self._have(number, self.arena.alloc(nbytes, keep=key))

    def join(self, number: int, offset: int) -> int:
        """Have the buffer at an offset; the offset."""
        return self._have(number, self.arena.buffer_at(offset))

    def find(self, number: int, key: str) -> int:
        """Have the buffer under a key; its offset."""
        return self._have(number, self.arena[key])

    def claim(self, number: int, handle: bytes) -> int:
        """Have what a handle names; its offset."""
        return self._have(number, pickle.loads(handle))

    def copy(self, number: int, other: int) -> int:
        """Have one more object for the same; its offset."""
        return self._have(number, copy(self.things[other]))

    def view(self, number: int, other: int) -> None:
        """Have a view of a buffer or a view."""
        thing = self.things[other]
        self.things[number] = thing[:] if isinstance(thing, memoryview) else thing.view

    def _have(self, number: int, buffer: Any) -> int:
        self.things[number] = buffer
        offset: int = buffer.offset
        return offset

    def drop(self, number: int) -> None:
        """Have one object less."""
        del self.things[number]

    def write(self, number: int, content: bytes) -> None:
        """Write to a buffer or a view."""
        self._bytes(number)[: len(content)] = content

    def read(self) -> dict[int, bytes]:
        """All bytes of everything."""
        return {number: bytes(self._bytes(number)) for number in self.things}

    def _bytes(self, number: int) -> memoryview:
        thing = self.things[number]
        return thing if isinstance(thing, memoryview) else thing.view

    # Doing

    def resize(self, number: int, nbytes: int) -> bool:
        """Resize a buffer; whether that could be done."""
        done: bool = self.things[number].resize(nbytes)
        return done

    def keep(self, number: int, key: str | bool, replace: bool) -> None:
        """Keep a buffer."""
        self.things[number].keep(key, replace=replace)

    def unkeep(self, number: int) -> None:
        """Keep it no longer."""
        self.things[number].unkeep()

    def send(self, number: int) -> bytes:
        """A handle to a buffer."""
        return pickle.dumps(self.things[number])

    def reap(self, unclaimed_after: float | None) -> int:
        """Reap; how many were dead."""
        n_dead: int = self.arena.reap(unclaimed_after=unclaimed_after)
        return n_dead

    def tend(self, what: str) -> None:
        """Recover, trim or flush."""
        getattr(self.arena, what)()

    def look(self) -> tuple[Any, list[Any], list[Any]]:
        """Prove every invariant; figures, buffers and processes."""
        self.arena.verify()
        return self.arena.stats(), list(self.arena.buffers()), self.arena.processes()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    wire = Wire.of(int(sys.argv[1]))
    os.set_inheritable(wire.fileno(), False)
    wire.say((True, None))
    Worker(wire).serve()
