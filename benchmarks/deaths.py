"""Deaths: how long one that was killed with the lock keeps the next, and the dead whoever reaps them."""

from __future__ import annotations

import os
import pickle
import random
import signal
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from statistics import median
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from pagebuddy import Arena
from pagebuddy.tools.bench.partner import partner
from verification.stepping import kill_at_work

if TYPE_CHECKING:
    from pagebuddy.tools.bench.timing import Case, Timed

SIZE = "1 GiB"
PAGE = 4096

N_DEATHS = 7
"""How often a process is killed at work in a sample."""

N_DEAD = 30
"""How many more are dead then, and held every buffer; there are slots for 47."""

N_LEFT = 64
"""How many pages are free where all are used, so that an operation can be done."""

N_SPARE = 1000
"""How many tickets are left for those that are killed."""

MOST_INSTRUCTIONS = 60
"""No operation that is killed here takes fewer."""

STATES = ("full", "half")
"""Every page a buffer; every other one of those given back, in random order."""


def all_of() -> list[Case]:
    """The cases of this file; none where a process may not trace its children."""
    return [_deaths(state) for state in STATES] if _may_trace() else []


def _deaths(state: str) -> Case:
    connection = partner(_be_killed, state)

    def case(times: int) -> Timed:
        kept, reaping = [], []
        for _ in range(times):
            connection.send(None)
            deaths, reaped = connection.recv()
            kept += deaths
            reaping.append(reaped)
        return {
            f"takeover {state}": (round(median(kept)), 1),
            f"takeover {state} worst": (max(kept), 1),
            f"reap {state}": (sum(reaping), times),
        }

    return case


def _be_killed(connection: Connection, state: str) -> None:
    """Tell, when asked, how long the first operations after deaths took, and the reap of all dead."""
    # Who is forked does nothing that another thread could have left undone.
    warnings.simplefilter("ignore", DeprecationWarning)
    arena, chance = Arena(SIZE), random.Random(1)
    held = _filled(arena, state, chance)
    while True:
        connection.recv()
        for _ in range(N_DEAD):
            _die(arena)
        deaths = [_kept_by_a_death(arena, held, chance) for _ in range(N_DEATHS)]
        started = perf_counter_ns()
        arena.reap()
        connection.send((deaths, perf_counter_ns() - started))


def _filled(arena: Arena, state: str, chance: random.Random) -> list[Any]:
    """Buffers of a page each, of which as many are kept and sent as can be: all is counted anew."""
    held = [arena.alloc(PAGE) for _ in range(arena.n_pages - N_LEFT)]
    layout = arena._open.layout
    chance.shuffle(held)
    if state == "half":
        del held[::2]
    for number in range(layout.n_entries):
        held[number].keep(f"{number}", flush=False)
    for number in range(layout.n_tickets - N_SPARE):
        pickle.dumps(held[-1 - number])
    return held


def _die(arena: Arena) -> None:
    pid = os.fork()
    if pid == 0:
        while True:
            signal.pause()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _kept_by_a_death(arena: Arena, held: list[Any], chance: random.Random) -> int:
    operations: list[Callable[[], object]] = [
        lambda: arena.alloc(PAGE),
        lambda: arena.alloc(3 * PAGE),
        lambda: held.pop(),
        lambda: pickle.dumps(held[0]),
        lambda: held[-1].resize(2 * PAGE),
        lambda: held[0].unkeep(),
    ]
    if not kill_at_work(arena, chance.choice(operations), chance.randrange(MOST_INSTRUCTIONS)):
        # It had not begun, or the dead one's last instruction was the end of its work.
        return _kept_by_a_death(arena, held, chance)
    started = perf_counter_ns()
    arena.alloc(PAGE)
    return perf_counter_ns() - started


def _may_trace() -> bool:
    arena = Arena("1 MiB")
    try:
        kill_at_work(arena, lambda: arena.alloc(PAGE), 1)
    except OSError:
        return False
    return True
