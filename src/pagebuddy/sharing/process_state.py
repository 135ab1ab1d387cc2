"""What a process knows of arenas between calls, in one object.

Nothing else in `sharing/` has state of its own at module level. A simulator can run several processes in
one interpreter: it makes a `ProcessState` for each, and calls `switch_to` before each of their steps.
The compiled engine has some static state besides, for fork handlers: see `system/system.pxi`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from weakref import WeakSet, WeakValueDictionary

from pagebuddy.sharing.forking.gate import ForkGate

if TYPE_CHECKING:
    from pagebuddy.sharing.attached import Attached, Engine
    from pagebuddy.sharing.state import ArenaState


class ProcessState:
    """The attachments of one process, the engine that it uses, and its state of forking.

    These hold:
    - A process has at most one live attachment to an arena for each engine.
    - Only `kept` keeps an attachment alive; everything else here is weak or emptied after a fork.
    """

    __slots__ = ("attached", "by_handle", "engine", "fork_gate", "forking", "forks_of", "kept")

    def __init__(self) -> None:
        # For attaching where the caller does not name an engine.
        self.engine: Engine | None = None
        # By engine, device and inode of the file.
        self.attached: WeakValueDictionary[tuple[str, int, int], Attached] = WeakValueDictionary()
        # By the arena's id and place, which handles contain; of two with the same, the later one.
        self.by_handle: WeakValueDictionary[tuple[int, str], Attached] = WeakValueDictionary()
        # Those that a handle made this process attach.
        self.kept: set[Attached] = set()
        self.fork_gate = ForkGate()
        # Uncompiled: the attachments that forks prepare, and those that a fork is preparing now.
        self.forks_of: WeakSet[ArenaState] = WeakSet()
        self.forking: list[ArenaState] = []


_current = ProcessState()


def current() -> ProcessState:
    """Return the state of the process that runs."""
    return _current


def switch_to(state: ProcessState) -> ProcessState:
    """Go on as the process that has this state; return the state of the one before."""
    global _current
    before, _current = _current, state
    return before


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _current.fork_gate.hold(),
        after_in_parent=lambda: _current.fork_gate.give(),
        after_in_child=lambda: _current.fork_gate.renew(),
    )
