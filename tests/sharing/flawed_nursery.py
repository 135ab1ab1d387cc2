"""A nursery of uncompiled workers with a deliberate fault, for test_machine.py: FLAW DESCRIPTOR."""

from __future__ import annotations

import sys

from pagebuddy.sharing.forking import fork
from pagebuddy.sharing.holding import directory, reaping, tickets
from verification.processes_machine.nursery import bear_workers
from verification.processes_machine.wire import Wire


def nothing(*asked):
    """Do nothing."""


FLAWS = {
    "a child holds nothing": (fork, "copy_holds"),
    "a claimed ticket stays": (tickets, "end_ticket"),
    "an object that was replaced stays": (directory, "forget"),
    "the dead are forgotten, and what they held stays": (reaping, "free_if_unused"),
}

if __name__ == "__main__":
    setattr(*FLAWS[sys.argv[1]], nothing)
    bear_workers(Wire.of(int(sys.argv[2])))
