"""The invariants of every state, and the checks of recovery. Used by `search`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.sharing_model.effects import TRIMMING
from verification.sharing_model.plans.recovery import recovery
from verification.sharing_model.state import (
    ALIVE,
    FREE,
    LIVE,
    UNLOCKED,
    Kept,
    State,
    Violation,
)
from verification.sharing_model.words import ARENA

if TYPE_CHECKING:
    from verification.sharing_model.flaws import Flaw
    from verification.sharing_model.words import Words


class Checks:
    """All checks. Shared words that were checked for recovery once are not checked again."""

    def __init__(self, flaw: Flaw | None = None, *, in_vain: bool = False) -> None:
        self.flaw = flaw
        self.in_vain = in_vain
        self.recovered: set[tuple[Words, tuple[int, ...], tuple[Kept, ...]]] = set()

    def all(self, state: State) -> None:
        """Raise `Violation` for the first invariant that does not hold."""
        living_are_safe(state)
        if state.lock == UNLOCKED:
            words_agree(state)
            rounds_are_held(state)
            pieces_are_counted(state)
            if self.in_vain:
                nothing_is_held_in_vain(state)
            if self.recover(state.words) != state.words:
                raise Violation("recovery changes words although no operation is in progress")
        known = (state.words, state.slots, state.kept)
        if known not in self.recovered:
            self.recovered.add(known)
            self.recovery_works(state.words)
            self.nothing_is_lost(state)

    def recover(self, words: Words) -> Words:
        """Return the words after a complete recovery."""
        for step in recovery(words, self.flaw):
            words = words.after(step)
        return words

    def recovery_works(self, words: Words) -> None:
        """Check that recovery is idempotent, and ends the same after an interruption at any store."""
        whole = self.recover(words)
        if self.recover(whole) != whole:
            raise Violation("recovery is not idempotent")
        partial = words
        for step in recovery(words, self.flaw):
            partial = partial.after(step)
            if self.recover(partial) != whole:
                raise Violation("an interrupted recovery ends in a different state")

    def nothing_is_lost(self, state: State) -> None:
        """Check that if all processes died now and tickets expired, only kept buffers would remain."""
        live = sum(1 << slot for slot, word in enumerate(state.slots) if word == LIVE)
        words = self.recover(state.words)
        kept_are_there(words, state.kept)
        words = words._replace(
            holds=tuple(hold & ~live for hold in words.holds),
            tickets=(None,) * len(words.tickets),
            magazines=(None,) * len(words.magazines),
        )
        words = self.recover(words)
        kept_are_there(words, state.kept)
        kept = {entry.buffer.page for entry in words.directory if entry.number}
        lost = any(record and page not in kept for page, record in enumerate(words.records))
        if lost or sum(words.listed) + len(words.taken()) != len(words.listed):
            raise Violation("page lost after all processes are dead and reaped")


def kept_are_there(words: Words, kept: tuple[Kept, ...]) -> None:
    """Check after recovery that the directory matches what was kept, and that each buffer is held."""
    entries = [entry for entry in words.directory if entry.number]
    if tuple(sorted(Kept(entry.key, *entry.buffer[:2]) for entry in entries)) != kept:
        raise Violation("the directory differs from what was kept")
    for entry in entries:
        record = words.live(entry.buffer)
        if not record or not words.holds[entry.buffer.page] & ARENA:
            raise Violation("a kept buffer is not held by the arena")
        if record.n_pages < entry.buffer.n_pages:
            raise Violation("a kept buffer is shorter than its entry says")


def living_are_safe(state: State) -> None:
    """Check that each view of a living process is live and held, and that it has its lease and slot."""
    words = state.words
    for i, process in enumerate(state.processes):
        if process.life != ALIVE:
            continue
        slot = process.slot
        for buffer, _ in process.views:
            page, record = buffer.page, words.live(buffer)
            if not record:
                raise Violation(f"P{i} has a view of page {page}, whose block is gone")
            if record.n_pages < buffer.n_pages:
                raise Violation(f"P{i} has a view that is longer than the block at page {page}")
            if slot >= 0 and not words.holds[page] >> slot & 1:
                raise Violation(f"P{i} has a view of page {page} without a hold")
        if slot >= 0 and not state.leases[slot] >> i & 1:
            raise Violation("a living process lost its lease")
        if slot >= 0 and state.slots[slot] != LIVE:
            raise Violation("a living process lost its slot")


def words_agree(state: State) -> None:
    """Check that lists, counts, holds and slots agree with the records while the lock is free."""
    words = state.words
    named = [ticket.buffer.page for ticket in words.tickets if ticket]
    taken = words.taken()
    free_slots = sum(1 << slot for slot, word in enumerate(state.slots) if word == FREE)
    for page, record in enumerate(words.records):
        if taken.count(page) + words.listed[page] != 1:
            raise Violation("free list disagrees with records")
        if words.ticket_counts[page] != named.count(page):
            raise Violation("ticket count wrong")
        if record and not words.holds[page] and not words.ticket_counts[page]:
            raise Violation("live block without a holder or ticket")
        if record and words.holds[page] & free_slots:
            raise Violation("hold bit of a free slot")


def rounds_are_held(state: State) -> None:
    """Check that each round in a magazine is live and held by its slot while the lock is free."""
    words = state.words
    for slot, round_ in enumerate(words.magazines):
        if round_ and round_.taken:
            raise Violation("a round is marked as taken, but no process is taking it")
        if round_ and not (
            words.live(round_.buffer) and words.holds[round_.buffer.page] >> slot & 1
        ):
            raise Violation("a magazine contains a round that its slot does not hold")


def pieces_are_counted(state: State) -> None:
    """Check that a slot whose processes live counts the pieces that their trims have."""
    for slot, marks in enumerate(state.marks):
        users = [p for p in state.processes if p.life == ALIVE and p.slot == slot]
        trims = sum(p.operation is not None and p.operation.name in TRIMMING for p in users)
        if state.slots[slot] == LIVE and state.leases[slot] and not state.sticky[slot]:
            if marks.pieces < trims:
                raise Violation("a trim has a piece that its slot does not count")
            if marks.pieces > trims and users:
                raise Violation("a slot counts a piece that no trim has")


def nothing_is_held_in_vain(state: State) -> None:
    """Check that a process at rest holds only what it views or has in its magazine.

    Not checked if processes fork: a child can hold a buffer that only another thread of its parent
    viewed.
    """
    words = state.words
    for i, process in enumerate(state.processes):
        slot = process.slot
        if process.life != ALIVE or slot < 0 or process.operation or state.sticky[slot]:
            continue
        known = {view.buffer.page for view in process.views}
        if round_ := words.magazines[slot]:
            known.add(round_.buffer.page)
        for page, record in enumerate(words.records):
            if record and words.holds[page] >> slot & 1 and page not in known:
                raise Violation(f"P{i} holds page {page} without using it")
