"""One worker process of a storm. Started by `weather`."""

from __future__ import annotations

import os
import pickle
import random
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pagebuddy.errors import BadFree, OutOfKeys, OutOfPages, OutOfTickets, StaleHandle
from verification.storm import pattern

MOST_PAGES = 64
MOST_HELD = 24

# Keys of objects.
OBJECTS = [f"object {number}" for number in range(6)]

# The exit status of a worker that found something wrong.
WRONG = 3


class Worker:
    """Performs random operations on an arena until it is killed.

    It can check any buffer it holds at any time: a buffer is written once, before another process can
    get it.
    """

    def __init__(self, arena: Any, sending: socket.socket, receiving: socket.socket) -> None:
        self.arena = arena
        self.sending = sending
        self.receiving = receiving
        self.random = random.Random(os.urandom(8))
        self.held: list[Any] = []
        self.read: dict[str, Any] = {}
        self.longest = 0.0

    def work(self, limit: float) -> None:
        """Work for ever. Report an operation that takes longer than `limit` seconds."""
        actions = (
            [self.allocate] * 6
            + [self.check] * 4
            + [self.hand_over] * 4
            + [self.claim] * 5
            + [self.resize] * 3
            + [self.let_go] * 5
            + [self.copy] * 1
            + [self.join] * 3
            + [self.set_object] * 2
            + [self.read_object] * 3
            + [self.end_object] * 1
        )
        while True:
            begun = time.monotonic()
            self.random.choice(actions)()
            if time.monotonic() - begun > limit:
                self.wrong(f"an operation took {time.monotonic() - begun:.2f} seconds")
            if self.random.random() < 0.002:
                self.fork()

    def wrong(self, what: str) -> None:
        """Print what is wrong and exit."""
        print(f"storm: process {os.getpid()}: {what}", file=sys.stderr, flush=True)
        os._exit(WRONG)

    def some(self) -> Any:
        """Return one of the held buffers, or None."""
        return self.random.choice(self.held) if self.held else None

    def allocate(self) -> None:
        """Allocate a buffer."""
        if len(self.held) >= MOST_HELD:
            self.let_go()
        n_bytes = self.random.randrange(pattern.LEAST, MOST_PAGES * self.arena.page_size)
        try:
            buffer = self.arena.alloc(n_bytes)
        except OutOfPages:
            self.let_go()
            return
        pattern.write(buffer.view, self.random.getrandbits(64))
        self.held.append(buffer)

    def check(self) -> None:
        """Check a held buffer."""
        buffer = self.some()
        if buffer is not None and not pattern.is_sound(buffer.view):
            self.wrong(f"wrong bytes in {buffer}")

    def hand_over(self) -> None:
        """Send a handle of a buffer to any other workers, and sometimes release the buffer.

        Some handles are for several receivers, and some expire before they are received.
        """
        buffer = self.some()
        if buffer is None:
            return
        try:
            receivers = self.random.choice((1, 1, 2, 3))
            if self.random.random() < 0.5:
                self.sending.send(pickle.dumps(buffer))
            elif self.random.random() < 0.7:
                handle = buffer.handle(receivers=receivers, expires=self.random.random())
                for _ in range(receivers):
                    self.sending.send(handle)
            else:
                self.sending.send(buffer.handle(receivers=None, expires=self.random.random() / 10))
        except (BlockingIOError, OutOfTickets):
            # It is not sent. The ticket is ended later by a reap.
            return
        if self.random.random() < 0.7:
            self.held.remove(buffer)

    def claim(self) -> None:
        """Receive a handle and claim its buffer."""
        try:
            data = self.receiving.recv(4096)
        except BlockingIOError:
            return
        try:
            buffer = pickle.loads(data)
        except StaleHandle:
            # The handle waited too long, and a reap ended it.
            return
        if not pattern.is_sound(buffer.view):
            self.wrong(f"wrong bytes in {buffer}, just claimed")
        self.held.append(buffer)
        if len(self.held) > MOST_HELD:
            self.let_go()

    def resize(self) -> None:
        """Lengthen a buffer; or, if it has no other user, shorten it and write it again."""
        buffer = self.some()
        if buffer is None:
            return
        n_bytes = self.random.randrange(pattern.LEAST, MOST_PAGES * self.arena.page_size)
        if n_bytes < buffer.nbytes and not self.is_alone(buffer):
            return
        shorter = n_bytes < buffer.nbytes
        try:
            done = buffer.resize(n_bytes)
        except BufferError:
            # Another object for the same buffer made it longer.
            return
        if done and shorter:
            pattern.write(buffer.view, self.random.getrandbits(64))

    def is_alone(self, buffer: Any) -> bool:
        """Return whether a buffer has no other holder and no ticket."""
        if sum(other.offset == buffer.offset for other in self.held) > 1:
            return False
        row = next(row for row in self.arena.buffers() if row.offset == buffer.offset)
        return len(row.holders) == 1 and not row.tickets

    def copy(self) -> None:
        """Copy a buffer."""
        buffer = self.some()
        if buffer is not None and len(self.held) < MOST_HELD:
            view = buffer.view
            try:
                new = self.arena.alloc(buffer.nbytes)
            except OutOfPages:
                return
            new.view[:] = view
            self.held.append(new)

    def join(self) -> None:
        """Hold the buffer at some offset for a moment. It may not be written yet."""
        some = self.some()
        page = self.random.randrange(self.arena.n_pages)
        offset = some.offset if some is not None and page % 2 else page * self.arena.page_size
        with suppress(BadFree):
            self.arena.buffer_at(offset)

    def set_object(self) -> None:
        """Keep an object under one of a few keys, in the place of another or not."""
        key = self.random.choice(OBJECTS)
        n_bytes = self.random.randrange(pattern.LEAST, MOST_PAGES // 4 * self.arena.page_size)
        view = memoryview(bytearray(n_bytes))
        pattern.write(view, self.random.getrandbits(64))
        # Both parts must be of the same object.
        thing = {"key": key, "seed": bytes(view[:8]), "view": view}
        with suppress(OutOfPages, OutOfKeys):
            if self.random.random() < 0.8:
                self.arena.objects[key] = thing
            else:
                self.arena.objects.setdefault(key, thing)

    def read_object(self) -> None:
        """Read an object, and check that it is whole. Keep some for a while."""
        key = self.random.choice(OBJECTS)
        thing = self.arena.objects.get(key)
        if thing is None:
            return
        self.check_object(key, thing)
        if self.random.random() < 0.3:
            self.read[key] = thing

    def check_object(self, key: str, thing: Any) -> None:
        """Check an object of a key."""
        view = thing["view"]
        if thing["key"] != key or bytes(view[:8]) != thing["seed"] or not pattern.is_sound(view):
            self.wrong(f"wrong object under {key}")

    def end_object(self) -> None:
        """Delete or pop an object. Check those that were read before, and drop them."""
        key = self.random.choice(OBJECTS)
        if self.random.random() < 0.5:
            with suppress(KeyError):
                del self.arena.objects[key]
        else:
            thing = self.arena.objects.pop(key, None)
            if thing is not None:
                self.check_object(key, thing)
        for earlier, thing in self.read.items():
            self.check_object(earlier, thing)
        self.read.clear()

    def let_go(self) -> None:
        """Check one of the held buffers and release it."""
        if self.held:
            buffer = self.held.pop(self.random.randrange(len(self.held)))
            if not pattern.is_sound(buffer.view):
                self.wrong(f"wrong bytes in {buffer}, about to be released")

    def fork(self) -> None:
        """Fork a child that checks all inherited buffers, allocates a few, and exits."""
        pid = os.fork()
        if pid == 0:
            for buffer in self.held:
                if not pattern.is_sound(buffer.view):
                    self.wrong(f"wrong bytes in {buffer}, inherited")
            self.in_child(self.allocate)
            self.in_child(self.read_object)
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) not in (0, -9):
            self.wrong("a child found something wrong")

    def in_child(self, action: Callable[[], None]) -> None:
        """Repeat an action a few times in the child."""
        for _ in range(5):
            action()
        self.held.clear()
