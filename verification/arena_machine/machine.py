"""The complete machine: one process performs all operations on one arena, in any order."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from pagebuddy import Arena, ArenaClosed
from pagebuddy.engine import ENGINE
from verification.arena_machine.ground import ME, picks
from verification.arena_machine.reference import Reference
from verification.arena_machine.sending import Sending

MOST_DEAD = 4


class ArenaMachine(Sending):
    """The rules of the other files, and rules of the whole arena: closing, forking, reaping."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes can attach to the arena."""
        return self.place.kind != "given"

    # Maintenance

    @rule(tickets=st.booleans())
    def reap(self, tickets: bool) -> None:
        if tickets:
            assert self.arena.reap(unclaimed_after=0) == self.model.reap()
            self.model.end_handles()
        else:
            assert self.arena.reap(unclaimed_after=1000) == self.model.reap()

    @rule()
    def trim(self) -> None:
        assert self.arena.trim() % self.page_size == 0

    @rule()
    def recover(self) -> None:
        self.arena.recover()

    @rule()
    def flush(self) -> None:
        self.arena.flush()

    # Attaching, forking and closing

    @precondition(lambda self: self.is_shared and len(self.model.dead) < MOST_DEAD)
    @rule(killed=st.booleans())
    def fork_and_die(self, killed: bool) -> None:
        """A child holds what this process holds, also after its death until it is reaped."""
        before = {row.slot for row in self.arena.processes()}
        pid = os.fork()
        if pid == 0:
            if killed:
                os.kill(os.getpid(), signal.SIGKILL)
            os._exit(0)
        os.waitpid(pid, 0)
        (slot,) = {row.slot for row in self.arena.processes()} - before
        self.slots[slot] = f"child {pid}"
        self.model.fork(ME, f"child {pid}")
        self.model.die(f"child {pid}")

    @precondition(lambda self: self.is_shared and len(self.arenas) < 3)
    @rule()
    def attach_beside(self) -> None:
        self.arenas.append(self.place.find(self.arena_class))

    @precondition(lambda self: len(self.arenas) > 1)
    @rule()
    def close_one(self) -> None:
        closed = self.arenas.pop()
        closed.close()
        closed.close()
        assert closed.closed
        with self.refused(ArenaClosed):
            closed.alloc(1)

    @precondition(lambda self: self.is_shared)
    @rule(by_handle=st.booleans(), pick=picks)
    def close_and_attach_again(self, by_handle: bool, pick: int) -> None:
        """Without a reference into the arena, closing detaches the process."""
        self.close_all()
        if not self.references:
            self.model.detach(ME)
        found = [handle for handle in self.handles if self.model.page_of(handle) is not None]
        claimed = None
        # If the arena has a name, a handle attaches the process, with the engine in use.
        by_handle = by_handle and self.place.kind != "anonymous"
        if by_handle and found and self.arena_class._engine is ENGINE:
            handle = self.pick(pick, found)
            claimed = pickle.loads(handle)
        self.arenas.append(self.place.find(self.arena_class))
        if ME not in self.model.alive:
            self.model.attach(ME)
        if claimed is not None:
            page = self.model.claim(handle, ME)
            assert self.page_of(claimed) == page
            self.references.append(Reference(page, claimed, range(claimed.nbytes), is_buffer=True))
        self.slots[self.own_slot()] = ME

    def close_all(self) -> None:
        """Close all `Arena` objects; only the references remain."""
        for arena in self.arenas:
            arena.close()
        self.arenas.clear()

    # The end

    def teardown(self) -> None:
        try:
            # Not after a failure: a second failure would hide it.
            if self.arenas and sys.exc_info()[1] is None:
                self.leave_nothing()
        finally:
            with suppress(AttributeError):
                self.place.remove()

    def leave_nothing(self) -> None:
        """Release everything: kept and sent buffers remain. Then end these; nothing remains."""
        while self.references:
            self.forget(self.references[-1])
        self.compare()
        if self.is_shared:
            self.close_all()
            self.model.detach(ME)
            self.arenas.append(self.place.find(self.arena_class))
            self.model.attach(ME)
            self.slots[self.own_slot()] = ME
            self.compare()
        self.arena.reap(unclaimed_after=0)
        self.model.end_handles()
        for page in list(self.model.kept):
            self.arena.buffer_at(page * self.page_size).unkeep()
            self.model.unkeep(page)
        self.compare()
        assert self.arena.stats().used == 0
        self.close_all()


def arena_machine_for(arena: type[Arena]) -> type[ArenaMachine]:
    """Return the machine for a class of arenas."""
    own: dict[str, Any] = {"arena_class": arena}
    return type(f"{arena.__name__}Machine", (ArenaMachine,), own)
