"""A process that stops itself while it has the lock of an arena. `test_stopped_holder.py` starts it:

    python tests/sharing/holder_to_stop.py NAME STORES

It is a file of its own because an import of pytest would take most of its time.
"""

from __future__ import annotations

import os
import signal
import sys

from pagebuddy import Arena as ChosenArena
from pagebuddy.testing.crash import Budget, engine_of_the_mortal

PAGE = 4096


def stop_myself():
    os.kill(os.getpid(), signal.SIGSTOP)


def hold(name, stores):
    """Stop inside an allocation. When continued, complete it and report."""
    budget = Budget(end=stop_myself)
    own = {"_engine": engine_of_the_mortal(budget)}
    arena = type("Arena", (ChosenArena,), own).attach(name)
    # A process's first allocation tries twice, because its tables do not exist yet.
    arena.alloc(PAGE).release()
    budget.left = budget.spent + stores
    allocate(arena, 0, 1)


def allocate(arena, hear, say):
    """Allocate, report the offset, and hold the buffer until told to end."""
    buffer = arena.alloc(3 * PAGE)
    os.write(say, f"{buffer.offset}\n".encode())
    os.read(hear, 1)


if __name__ == "__main__":
    hold(sys.argv[1], int(sys.argv[2]))
