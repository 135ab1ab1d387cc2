"""A process that performs random operations on an arena until it is killed. `test_kills.py` starts it:

    python tests/sharing/worker_to_kill.py NAME SEED STORES

It is killed before a given store if STORES is not 0, and else by its parent. It writes a line before
each fifth operation. It is a file of its own because an import of pytest would take most of its time.
"""

from __future__ import annotations

import os
import pickle
import random
import signal
import sys
from contextlib import suppress

from pagebuddy import Arena as ChosenArena
from pagebuddy import OutOfPages
from pagebuddy.testing.crash import Budget, engine_of_the_mortal

PAGE = 4096


def kill_myself():
    os.kill(os.getpid(), signal.SIGKILL)


def work(name, seed, stores):
    """Perform random operations until killed: by the parent, or before a given store."""
    engine, budget = ChosenArena, Budget(end=kill_myself)
    if stores:
        own = {"_engine": engine_of_the_mortal(budget)}
        engine = type("Arena", (ChosenArena,), own)
    arena = engine.attach(name)
    if stores:
        budget.left = budget.spent + stores
    chance = random.Random(seed)
    mine = [arena.alloc(PAGE) for _ in range(5)]
    for i in range(1 << 60):
        if i % 5 == 0:
            os.write(1, b"\n")
        with suppress(OutOfPages, LookupError, ValueError, BufferError):
            act(arena, chance, mine)


def act(arena, chance, mine):
    """Perform one operation with random arguments."""
    key = chance.choice("abc")
    size = chance.choice([1, 1, 2, 3, 9, 40]) * PAGE
    what = chance.randrange(14)
    if what < 4 and len(mine) < 12:
        mine.append(arena.alloc(size, align=chance.choice([None, None, 8 * PAGE])))
        mine[-1].view[:8] = b"worker's"
    elif what < 6 and len(mine) > 3:
        mine.pop(chance.randrange(len(mine)))
    elif what == 6:
        chance.choice(mine).keep(key, replace=chance.random() < 0.5)
    elif what == 7:
        arena[key].unkeep()
    elif what == 8:
        mine.append(arena[key])
    elif what == 9:
        chance.choice(mine).resize(size)
    elif what == 10:
        chance.choice([arena.reap, arena.verify, arena.stats, arena.trim])()
    elif what == 11:
        data = pickle.dumps(chance.choice(mine))
        if chance.random() < 0.7:
            mine.append(pickle.loads(data))
    elif what == 12:
        arena.reap(unclaimed_after=0)
    else:
        ChosenArena.attach(arena.fileno()).close()
        mine.append(arena.buffer_at(chance.choice(mine).offset))


if __name__ == "__main__":
    work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
