"""ArenaAccess: operations on an arena, with the wait for its lock, signals, and errors."""

import threading
import time
from typing import Any

from pagebuddy.core import stand_in as cython
from pagebuddy.errors import OutOfPages
from pagebuddy.sharing.joining import backing, failures, telling
from pagebuddy.sharing.system import descriptors

if not cython.compiled:
    from pagebuddy.core.words import FIRST_NODE, is_live, u64
    from pagebuddy.sharing.holding.holds import holds
    from pagebuddy.sharing.operations.dispatch import run_operation
    from pagebuddy.sharing.request import Request
    from pagebuddy.sharing.state import ArenaState
    from pagebuddy.sharing.system.alive import locks_the_arena
    from pagebuddy.sharing.system.gate import gate_give, gate_take
    from pagebuddy.sharing.words import (
        DONE,
        LOCKED,
        NO_PAGES,
        OP_MEASURE,
        OP_REAP,
        SLICE_MS,
        UNBACKED,
        UNLOCKABLE,
    )


# How long an allocation waits for a process that trims and does not continue, and how long one that
# trims waits for an allocation.
TRIM_PATIENCE_S = 1.0
TRIM_PAUSE_S = 0.01


@cython.no_gc
@cython.cclass
class ArenaAccess(ArenaState):
    """An arena on which this process performs operations. Only an `Attachment` is one."""

    # The threads of this process that are in the middle of a trim.
    _trimmers: set[Any]

    def lock_through(self, fd: int) -> None:
        """Use this descriptor for the arena's file lock, and own it."""
        self.lock_fd = fd

    def has_lost_lock(self) -> bool:
        """Whether the descriptor for the file lock was closed, or its number means another file."""
        return not locks_the_arena(self)

    def lock_again_through(self, fd: int) -> bool:
        """Own this descriptor if the one for the file lock was closed; return whether that was so.

        Not while another thread is in an operation: its descriptor is the one that it must unlock.
        """
        if gate_take(self.gate, 0) != DONE:
            return False
        lost = not locks_the_arena(self)
        if lost:
            self.lock_fd = fd
        gate_give(self.gate)
        return bool(lost)

    @property
    def trimmers(self) -> set[Any]:
        """The threads of this process that are in the middle of a trim."""
        return self._trimmers

    def perform(self, request: Request, operation: u64, timeout: Any = None) -> u64:
        """Perform an operation; return its answer if that is not an error.

        Other threads run and signals are handled while this waits for the lock. Raises the exceptions of
        `failures.error_for`, TimeoutError after `timeout` seconds, and `OutOfPages` if the file system
        has no room for words that the operation needs.
        """
        answer: u64 = UNBACKED
        tries: u64 = 3
        if operation == OP_REAP:
            descriptors.look_again(self)
        while answer == UNBACKED:
            answer = run_operation(self, request, operation, 0)
            if answer == LOCKED:
                answer = self._perform_later(request, operation, timeout)
            if answer == UNBACKED:
                backing.back(self, request.missing)  # type: ignore[arg-type]
            elif answer == UNLOCKABLE and tries:
                tries -= 1
                if descriptors.lock_again(self):
                    answer = UNBACKED
        if operation == OP_REAP and self.slot:
            # Of what the operation did, nothing is in hand: an exception now would lose nothing. Without
            # a slot, this process is attaching, and tells when other processes can attach again.
            telling.tell(self)  # type: ignore[arg-type]
        if answer > NO_PAGES:
            raise failures.error_for(self, answer, request)  # type: ignore[arg-type]
        return answer

    @cython.cfunc
    def _perform_later(self, request: Request, operation: u64, timeout: Any) -> u64:
        """`perform` while another thread or process has the lock."""
        answer: u64 = LOCKED
        end = None if timeout is None else time.monotonic() + timeout
        while answer == LOCKED:
            wait: u64 = SLICE_MS
            if end is not None:
                left = end - time.monotonic()
                if left <= 0:
                    raise failures.timed_out(self, timeout)  # type: ignore[arg-type]
                if left * 1000 < SLICE_MS:
                    wait = int(left * 1000) + 1
            if cython.compiled:
                self.away += 1
                with cython.nogil:  # type: ignore[attr-defined]
                    answer = run_operation(self, request, operation, wait)
                self.away -= 1
                if answer == LOCKED:
                    # Not after the operation was done: its answer would be lost.
                    handle_signals()  # type: ignore[name-defined]  # noqa: F821
            else:
                answer = run_operation(self, request, operation, wait)
        return answer

    def perform_beside_trims(self, request: Request, operation: u64, timeout: Any = None) -> u64:
        """`perform` again what found no pages while trims hold some."""
        answer: u64 = NO_PAGES
        if threading.get_ident() in self._trimmers:
            # A signal handler, for example: that trim does not get further while this waits.
            return answer
        end = time.monotonic() + TRIM_PATIENCE_S
        while answer == NO_PAGES and request.n_pieces and time.monotonic() < end:
            time.sleep(TRIM_PAUSE_S / 10)
            answer = self.perform(request, operation, timeout)
        if answer == NO_PAGES and self.perform(Request(), OP_REAP, timeout) == DONE:
            answer = self.perform(request, operation, timeout)
        return answer

    def _no_pages(self, request: Request, reason: str = "") -> Exception:
        """Return the error for an allocation that failed, which is counted unless there is a reason."""
        # Only an arena that is full needs it.
        from pagebuddy.sharing.joining import unclaimed_handles

        where = "" if request.align == 1 else f"at a multiple of {request.align} pages"
        figures: Request = Request(rows=64, n_failed=not reason)
        self.perform(figures, OP_MEASURE)
        free, longest, size = figures.free_pages, figures.longest_run, self.layout.page_size
        telling.tell_if_full(self, self.total - free)  # type: ignore[arg-type]
        kept = unclaimed_handles.totals_of(self)  # type: ignore[arg-type]
        return OutOfPages(request.n_pages, free, longest, size, where, reason, *kept)

    def is_kept(self, node: u64) -> bool:
        """Whether the buffer at a node is kept."""
        return bool(holds(self, node, 0))

    def is_live(self, node: u64) -> bool:
        """Whether a live buffer starts at a node."""
        return FIRST_NODE <= node < self.n_nodes and bool(is_live(self.records[node]))
