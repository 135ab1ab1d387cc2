"""Flip random bits of an arena's words during every operation: it must work or raise, and never crash.

The fixed words of the header, which have a checksum, and the mutex, which belongs to libc, are not
changed. Each round runs in its own process, with this file as a script, so that a crash is detected:

    python tests/sharing/test_flipped_bits.py FIRST_SEED ROUNDS
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import random
import resource
import subprocess
import sys
import warnings
from contextlib import suppress

from pagebuddy import Arena, PageBuddyError
from pagebuddy.sharing.words import (
    A_BUSY,
    A_MUTEX,
    ARENA_WORDS,
    ENTRY_WORDS,
    MAGAZINE_WORDS,
    SLOT_MAGAZINE,
    SLOT_WORDS,
    TICKET_WORDS,
)

PAGE = 64
MOST_MEMORY = 4 << 30
HANGS_AFTER = 30  # in seconds; a round takes milliseconds
EXPECTED = (PageBuddyError, LookupError, ValueError, BufferError, MemoryError)


class Damage:
    """An arena with buffers in every state, and a random generator."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        n_pages = self.chance.choice([20, 64, 300])
        slots = self.chance.choice([48, 112])
        # Only words from `busy` on are flipped, not the mutex.
        lock = self.chance.choice(["file", "mutex"]) if compiled() else "file"
        self.arena = Arena(n_pages * PAGE, page_size=PAGE, slots=slots, lock=lock)
        attachment = self.arena._attachment
        layout = attachment.layout
        self.words = attachment.memory
        self.buffers = [self.checked(self.arena.alloc(n * PAGE)) for n in (1, 2, 1, 5, 3, 1)]
        for i, key in enumerate(["a", "b", True]):
            self.buffers[i].keep(key)
        self.handles = [pickle.dumps(buffer) for buffer in self.buffers[2:5]]
        self.buffers[4:] = []
        magazine = layout.slots_at + SLOT_WORDS + SLOT_MAGAZINE
        # Large and small tables are hit equally often.
        self.parts = [
            (A_BUSY, ARENA_WORDS),
            (layout.slots_at, layout.slots_at + 3 * SLOT_WORDS),
            (magazine, magazine + MAGAZINE_WORDS),
            (layout.metadata_at, layout.holds_at),
            (layout.holds_at, layout.entries_at),
            *[(at, at + ENTRY_WORDS) for at in self.used(layout.entries_at, layout.tickets_at)],
            (layout.tickets_at, layout.tickets_at + 4 * TICKET_WORDS),
            (A_BUSY, len(self.words)),
        ]

    def used(self, begin, end):
        """Return the positions of directory entries in use."""
        return [at for at in range(begin, end, ENTRY_WORDS) if self.words[at]]

    def flip(self):
        for _ in range(self.chance.choice([1, 1, 2, 8])):
            at = self.chance.randrange(*self.chance.choice(self.parts))
            assert at >= A_BUSY > A_MUTEX
            self.words[at] ^= 1 << self.chance.randrange(64)

    def size(self):
        return self.chance.choice([1, 1, 2, 3, 8, 33]) * PAGE - self.chance.randrange(PAGE)

    def alloc(self):
        return self.checked(self.arena.alloc(self.size()))

    def checked(self, buffer):
        """Read all bytes of a buffer, which must lie inside the arena."""
        assert 0 <= buffer.offset <= buffer.offset + buffer.capacity <= self.arena.size
        assert 0 < buffer.nbytes <= buffer.capacity
        view = memoryview(buffer) if compiled() else buffer.view
        assert len(view) == buffer.nbytes
        view[:] = b"\xff" * len(view)
        return buffer

    def operation(self):
        """Perform one operation with valid arguments."""
        chance, arena = self.chance, self.arena
        buffer = chance.choice(self.buffers or [self.alloc()])
        key = chance.choice(["a", "b", "c"])
        return chance.choice(
            [
                lambda: self.buffers.append(self.alloc()),
                lambda: self.buffers.append(self.alloc()),
                lambda: arena.alloc(self.size(), align=chance.choice([PAGE, 8 * PAGE]), zero=True),
                lambda: self.buffers.pop(chance.randrange(len(self.buffers))),
                lambda: self.buffers.pop(chance.randrange(len(self.buffers))),
                lambda: buffer.resize(self.size()),
                lambda: buffer.keep(key, replace=chance.random() < 0.5),
                lambda: buffer.unkeep(),
                lambda: self.buffers.append(self.checked(arena[key])),
                lambda: self.checked(arena.buffer_at(chance.randrange(arena.n_pages) * PAGE)),
                lambda: self.checked(arena.buffer_of(buffer.view)),
                lambda: self.handles.append(pickle.dumps(buffer)),
                lambda: self.handles and self.checked(pickle.loads(chance.choice(self.handles))),
                lambda: (list(arena.buffers()), arena.keys(), arena.processes()),
                lambda: arena.reap(unclaimed_after=chance.choice([None, 0, 1000])),
                arena.stats,
                arena.trim,
                arena.recover,
                arena.verify,
                self.attach,
            ]
        )

    def attach(self):
        """Let another process attach, use the arena, and exit at once."""
        if self.chance.random() < 0.02:
            child = os.fork()
            if not child:
                with suppress(*EXPECTED):
                    self.checked(self.arena.alloc(PAGE))
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0


def compiled():
    return os.environ.get("PAGEBUDDY_PURE") != "1"


def one_round(seed):
    """Alternate flipped bits and operations. Only documented errors may be raised."""
    damage = Damage(seed)
    for i in range(60):
        if i % 10 == 0:
            damage.flip()
        with suppress(*EXPECTED):
            damage.operation()()


def main(first_seed, rounds):
    # The thread that later Pythons warn of before a fork is that of faulthandler, which needs no lock.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    # Limit the memory, so that an endless walk fails early.
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    for seed in range(int(first_seed), int(first_seed) + int(rounds)):
        print(seed, flush=True)
        faulthandler.dump_traceback_later(HANGS_AFTER, exit=True)
        one_round(seed)


def test_flipped_bits_never_crash_an_arena(engine, effort):
    pure = {"PAGEBUDDY_PURE": "1"} if engine == "uncompiled" else {}
    count = effort.pick(320, 1600) if engine == "compiled" else effort.pick(12, 60)
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", __file__, str(effort.seed), str(count)],
        env=os.environ | pure,
        capture_output=True,
        text=True,
        check=False,
    )
    seed = done.stdout.split()[-1:]
    assert (done.returncode, done.stderr) == (0, ""), f"seed {seed}"


if __name__ == "__main__":
    main(*sys.argv[1:])
