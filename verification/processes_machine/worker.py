"""A process that performs operations on an arena on request. Started by `nursery`.

    python -m verification.processes_machine.worker DESCRIPTOR

A request is the name of a method and its arguments. The answer is the method's result, or the name and
text of the error that it raised.
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

# Imported here, so that the nursery imports them once for all its workers.
import pagebuddy.memory.anonymous
import pagebuddy.memory.file
import pagebuddy.memory.named
import pagebuddy.sharing.joining.sending
from pagebuddy.exchange.packing import Packed
from pagebuddy.testing.crash import Budget, engine_of_the_mortal
from verification.processes_machine.wire import Wire


class Worker:
    """Has an arena and objects that refer to it, by the numbers given in requests."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.arena: Any = None
        self.things: dict[int, Any] = {}
        # In the uncompiled engine, the process can be made to die before a store.
        self.budget = Budget(end=_die)

    def serve(self) -> None:
        """Answer requests until the other end is gone."""
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

    # Attaching, forking and ending

    def attach(self, place: str | None = None, fd: int = -1) -> int:
        """Attach to the arena with this name, file or descriptor. Return the slot."""
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
        """Release everything and close the arena."""
        self.things.clear()
        self.arena.close()
        self.arena = None

    def fork(self, fd: int) -> None:
        """Fork a child that serves a descriptor. The child first sends its process id and slot."""
        if os.fork() == 0:
            self.wire.close()
            self.wire = Wire.of(fd)
            self.wire.say((True, (os.getpid(), self.slot())))
            self.serve()
        os.close(fd)

    def sleep_as_another_program(self) -> None:
        """Exec a program that reports through the wire and sleeps."""
        os.dup2(self.wire.fileno(), 1)
        os.execv("/bin/sh", ["sh", "-c", "echo; exec sleep 1000"])

    def begin_anew(self) -> None:
        """Exec a new interpreter with a worker that has nothing. It reports through the wire."""
        os.set_inheritable(self.wire.fileno(), True)
        module = "verification.processes_machine.worker"
        os.execv(sys.executable, [sys.executable, "-m", module, str(self.wire.fileno())])

    def die_in(self, stores: int, name: str, *asked: Any) -> Any:
        """Run a method, and die before the store after its first `stores` stores."""
        self.budget.left = self.budget.spent + stores
        try:
            return getattr(self, name)(*asked)
        finally:
            self.budget.left = None

    def slot(self) -> int:
        """Return this process's slot."""
        slot: int = self.arena._attachment.figures["slot"]
        return slot

    # Using buffers

    def alloc(self, number: int, nbytes: int, key: str | bool | None) -> int:
        """Allocate a buffer. Return its offset."""
        return self._have(number, self.arena.alloc(nbytes, keep=key))

    def join(self, number: int, offset: int) -> int:
        """Open the buffer at an offset. Return the offset."""
        return self._have(number, self.arena.buffer_at(offset))

    def find(self, number: int, key: str) -> int:
        """Open the buffer under a key. Return its offset."""
        return self._have(number, self.arena[key])

    def claim(self, number: int, handle: bytes) -> int:
        """Claim a handle. Return the buffer's offset."""
        return self._have(number, pickle.loads(handle))

    def copy(self, number: int, other: int) -> int:
        """Make another object for the same buffer. Return its offset."""
        return self._have(number, copy(self.things[other]))

    def view(self, number: int, other: int) -> None:
        """Make a view of a buffer or a view."""
        thing = self.things[other]
        self.things[number] = thing[:] if isinstance(thing, memoryview) else thing.view

    def _have(self, number: int, buffer: Any) -> int:
        self.things[number] = buffer
        offset: int = buffer.offset
        return offset

    def drop(self, number: int) -> None:
        """Drop an object."""
        del self.things[number]

    def write(self, number: int, content: bytes) -> None:
        """Write to a buffer or a view."""
        self._bytes(number)[: len(content)] = content

    def read(self) -> dict[int, bytes]:
        """Return the bytes of every object."""
        return {number: bytes(self._bytes(number)) for number in self.things}

    def _bytes(self, number: int) -> memoryview:
        thing = self.things[number]
        return thing if isinstance(thing, memoryview) else thing.view

    # Objects: each is a number and a memoryview, the last bytes of its buffer

    def packed_size(self, seed: int, content: bytes) -> int:
        """Return the size in bytes of the buffer of an object."""
        return Packed(self.arena, [seed, memoryview(content)]).n_bytes

    def set_object(self, key: str, seed: int, content: bytes) -> None:
        """Keep an object."""
        self.arena.objects[key] = [seed, memoryview(content)]

    def get_object(self, number: int, key: str, writable: bool) -> int:
        """Read an object and have its view. Return its number."""
        return self._have_of_object(number, self.arena.objects.get(key, writable=writable))

    def pop_object(self, number: int, key: str) -> int:
        """Pop an object and have its view. Return its number."""
        return self._have_of_object(number, self.arena.objects.pop(key))

    def _have_of_object(self, number: int, thing: Any) -> int:
        if thing is None:
            raise KeyError("no such object")
        seed: int = thing[0]
        self.things[number] = thing[1]
        return seed

    def delete_object(self, key: str) -> None:
        """Delete an object."""
        del self.arena.objects[key]

    def look_at_object(self, key: str) -> tuple[int, bytes]:
        """Return where the buffer of an object is, and its bytes."""
        (offset,) = [
            row.offset for row in self.arena.buffers() if (row.kind, row.key) == ("object", key)
        ]
        return offset, bytes(self.arena.buffer_at(offset).view)

    # Other operations

    def resize(self, number: int, nbytes: int) -> bool:
        """Resize a buffer. Return whether there was room."""
        done: bool = self.things[number].resize(nbytes)
        return done

    def keep(self, number: int, key: str | bool, replace: bool) -> None:
        """Keep a buffer."""
        self.things[number].keep(key, replace=replace)

    def unkeep(self, number: int) -> None:
        """Unkeep a buffer."""
        self.things[number].unkeep()

    def send(self, number: int) -> bytes:
        """Return a handle to a buffer."""
        return pickle.dumps(self.things[number])

    def reap(self, unclaimed_after: float | None) -> int:
        """Reap. Return the number of dead processes."""
        n_dead: int = self.arena.reap(unclaimed_after=unclaimed_after)
        return n_dead

    def tend(self, what: str) -> None:
        """Recover, trim or flush."""
        getattr(self.arena, what)()

    def look(self) -> tuple[Any, list[Any], list[Any]]:
        """Verify the arena. Return its figures, buffers and processes."""
        self.arena.verify()
        return self.arena.stats(), list(self.arena.buffers()), self.arena.processes()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    wire = Wire.of(int(sys.argv[1]))
    os.set_inheritable(wire.fileno(), False)
    wire.say((True, None))
    Worker(wire).serve()
