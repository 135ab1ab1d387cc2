"""What must hold in every state, and what recovery must make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    """All checks; shared words that were recovered once are not recovered again."""

    def __init__(self, flaw: Flaw | None = None, *, in_vain: bool = False) -> None:
        self.flaw = flaw
        self.in_vain = in_vain
        self.recovered: set[tuple[Words, tuple[int, ...], tuple[Kept, ...]]] = set()

    def all(self, state: State) -> None:
        """Raise `Violation` for the first promise that does not hold."""
        living_are_safe(state)
        if state.lock == UNLOCKED:
            words_agree(state)
            rounds_are_held(state)
            if self.in_vain:
                nothing_is_held_in_vain(state)
            if self.recover(state.words) != state.words:
                raise Violation("recover changes words that nobody is about")
        known = (state.words, state.slots, state.kept)
        if known not in self.recovered:
            self.recovered.add(known)
            self.recovery_works(state.words)
            self.nothing_is_lost(state)

    def recover(self, words: Words) -> Words:
        """Return the words after a recovery that nobody interrupts."""
        for step in recovery(words, self.flaw):
            words = words.after(step)
        return words

    def recovery_works(self, words: Words) -> None:
        """Twice is once; killed after any store and begun again, it ends the same."""
        whole = self.recover(words)
        if self.recover(whole) != whole:
            raise Violation("recover is not idempotent")
        partial = words
        for step in recovery(words, self.flaw):
            partial = partial.after(step)
            if self.recover(partial) != whole:
                raise Violation("interrupted recover ends elsewhere")

    def nothing_is_lost(self, state: State) -> None:
        """If everybody died now, and tickets were given up, what is kept would be left alone."""
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
            raise Violation("page lost after everyone is dead and reaped")


def kept_are_there(words: Words, kept: tuple[Kept, ...]) -> None:
    """Recovered, the directory says what was kept; it is live, and the arena holds it."""
    entries = [entry for entry in words.directory if entry.number]
    if tuple(sorted(Kept(entry.key, *entry.buffer[:2]) for entry in entries)) != kept:
        raise Violation("the directory is not what was kept")
    for entry in entries:
        record = words.live(entry.buffer)
        if not record or not words.holds[entry.buffer.page] & ARENA:
            raise Violation("a kept buffer is not held by the arena")
        if record.n_pages < entry.buffer.n_pages:
            raise Violation("a kept buffer is shorter than its entry says")


def living_are_safe(state: State) -> None:
    """What a living process views is live and held by its slot; it has its lease and its slot."""
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
                raise Violation(f"P{i} has a view of more of page {page}'s block than it is")
            if slot >= 0 and not words.holds[page] >> slot & 1:
                raise Violation(f"P{i} has a view of page {page} without a hold")
        if slot >= 0 and not state.leases[slot] >> i & 1:
            raise Violation("a living process lost its lease")
        if slot >= 0 and state.slots[slot] != LIVE:
            raise Violation("a living process lost its slot")


def words_agree(state: State) -> None:
    """Nobody is about anything: lists, counts, holds and slots agree with the records."""
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
            raise Violation("live block that nobody holds")
        if record and words.holds[page] & free_slots:
            raise Violation("hold bit of a free slot")


def rounds_are_held(state: State) -> None:
    """Nobody is about anything with the lock: a magazine has what its slot holds."""
    words = state.words
    for slot, round_ in enumerate(words.magazines):
        if round_ and round_.taken:
            raise Violation("a round is marked, and nobody takes it")
        if round_ and not (
            words.live(round_.buffer) and words.holds[round_.buffer.page] >> slot & 1
        ):
            raise Violation("a round that its slot does not hold")


def nothing_is_held_in_vain(state: State) -> None:
    """What the slot of a process at rest holds it has a view of, or in its magazine.

    Not so where processes fork, as a child may hold what only a thread had which it has not.
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
                raise Violation(f"P{i} holds page {page} for nothing")
