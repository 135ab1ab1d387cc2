"""When forking happens, uncompiled: hooks of the interpreter. Compiled, those of libc.

Libc's run after all the interpreter's, see forks that are made by C, and need no interpreter; these do
their best. A fork inside an operation, by a signal handler or a finalizer, copies words half way: there
the child's attachment is revoked, so that what it would go on with raises at once.
"""

from __future__ import annotations

import os
from typing import Any
from weakref import WeakSet

from pagebuddy.sharing.forking.fork import begin_child, prepare_fork, resume_parent, share_slot
from pagebuddy.sharing.forking.gate import GATE
from pagebuddy.sharing.system.lock import unlock
from pagebuddy.sharing.words import LOCK_FOREIGN

_MINDED: WeakSet[Any] = WeakSet()

_FORKING: list[Any] = []


class Revoked:
    """Words that must not be touched any more."""

    def __getitem__(self, index: object) -> int:
        raise RuntimeError("this process was forked inside an operation on the arena")

    def __setitem__(self, index: object, value: int) -> None:
        self[index]


def mind_forks(a: Any, high: int, low: int) -> bool:
    """From now on, forks see this attachment."""
    _MINDED.add(a)
    return True


def _before() -> None:
    # First, as whoever attaches waits for the arena's lock within it.
    GATE.hold()
    minded = [a for a in _MINDED if not a.ending]
    _FORKING[:] = sorted(minded, key=lambda a: a.layout.arena_id)
    for a in _FORKING:
        a.fork_inside = a.gate.is_mine()
        try:
            prepare_fork(a)
        except BaseException:
            # What was half done is told by the busy word. The fork goes on whatever is raised here: its
            # child then shares this slot.
            if a.fork_locked:
                a.fork_locked = False
                unlock(a)
            a.fork_slot = 0
            share_slot(a)
            raise


def _in_parent() -> None:
    for a in _FORKING:
        resume_parent(a)
    _FORKING.clear()
    GATE.give()


def _in_child() -> None:
    for a in _FORKING:
        begin_child(a)
        if a.fork_inside:
            a.lock_kind = LOCK_FOREIGN
            a.base = a.slots = a.words = a.links = a.holds = a.entries = a.tickets = Revoked()
    _FORKING.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
