"""Fork handlers, uncompiled: hooks of the interpreter. The compiled engine registers its own with libc.

Libc's handlers run after all of the interpreter's, also run for forks by C code, and need no GIL; these
cannot do that. If a signal handler or a finalizer forks inside an operation, the fork copies words that
are half changed. The child's attachment is then revoked: its words raise at once.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pagebuddy.sharing.forking.fork import begin_child, prepare_fork, resume_parent
from pagebuddy.sharing.holding.shared_slot import share_slot
from pagebuddy.sharing.process_state import current
from pagebuddy.sharing.system.descriptors import look_again
from pagebuddy.sharing.system.lock import unlock
from pagebuddy.sharing.words import LOCK_FOREIGN

if TYPE_CHECKING:
    from typing import Any

    from pagebuddy.sharing.state import ArenaState


class Revoked:
    """Words that must not be used any more."""

    def __getitem__(self, index: object) -> int:
        raise RuntimeError(
            "this process was forked inside an operation on the arena, and cannot use it; attach it "
            "again"
        )

    def __setitem__(self, index: object, value: int) -> None:
        self[index]


def mind_forks(a: ArenaState, high: int, low: int) -> bool:
    """Prepare this attachment for forks from now on."""
    current().forks_of.add(a)
    return True


def _before() -> None:
    state = current()
    # Before the arenas' locks, because a thread that attaches waits for one while it has the gate.
    state.fork_gate.hold()
    minded = [a for a in state.forks_of if not a.ending]
    state.forking[:] = sorted(minded, key=lambda a: a.layout.arena_id)
    for a in state.forking:
        a.fork_inside = a.gate.is_mine()
        look_again(a)
        try:
            prepare_fork(a)
        except BaseException:
            # A_BUSY is still set, so the next operation repairs the arena. The interpreter forks despite
            # the exception: the child shares this slot.
            if a.fork_locked:
                a.fork_locked = False
                unlock(a)
            a.fork_slot = 0
            share_slot(a)
            raise


def _in_parent() -> None:
    state = current()
    for a in state.forking:
        resume_parent(a)
    state.forking.clear()
    state.fork_gate.give()


def _in_child() -> None:
    state = current()
    for a in state.forking:
        begin_child(a)
        if a.fork_inside:
            a.lock_kind = LOCK_FOREIGN
            revoked: Any = Revoked()
            a.base = a.slots = a.words = a.groups = a.records = a.holds = a.entries = a.tickets = (
                revoked
            )
    state.forking.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
