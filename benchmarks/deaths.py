"""Cases of killed processes: the next operation after a kill, and reaping. Used by `__main__`."""

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
"""The number of processes that are killed during an operation in a sample."""

N_DEAD = 30
"""The number of other dead processes, which held every buffer; an arena has 47 slots."""

N_LEFT = 64
"""The number of free pages in the full arena, so that operations are possible."""

N_SPARE = 1000
"""The number of free tickets for the killed operations."""

MOST_INSTRUCTIONS = 60
"""All operations that are killed here take at least so many instructions."""

STATES = ("full", "half")
"""full: a buffer in every page; half: every other buffer was freed, in random order."""


def all_of() -> list[Case]:
    """The cases of this file; none if this process may not trace its children."""
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
    """On request, send the times of the first operations after kills, and of reaping all dead."""
    # Forking with threads is safe here, because the child uses nothing that they hold.
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
    """Buffers of one page each; as many as possible are kept and sent, so recovery counts them all."""
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
        # The process was killed before or after the operation: try again.
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
