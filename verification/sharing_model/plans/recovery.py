"""The plan of recovery: how a process repairs the words after the previous owner of the lock died."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.sharing_model.flaws import Flaw
from verification.sharing_model.plans.directory import cleared_all
from verification.sharing_model.plans.steps import DONE, freeing
from verification.sharing_model.words import ARENA, Step, Words

if TYPE_CHECKING:
    from verification.sharing_model.state import State


def entries_dropped(words: Words, flaw: Flaw | None) -> list[int]:
    """Return the entries to drop: their buffer is gone, or another entry has a higher number."""
    numbered = [
        (entry.number, index) for index, entry in enumerate(words.directory) if entry.number
    ]
    keys, pages, dropped = set(), set(), []
    for _, index in sorted(numbered, reverse=flaw is not Flaw.OLDER_ENTRY_WINS):
        _, key, buffer = words.directory[index]
        known = key in keys and (key or flaw is Flaw.EMPTY_KEYS_CONFLICT)
        moved = buffer.page in pages and flaw is not Flaw.MOVED_KEY_STAYS
        gone = not words.live(buffer) and flaw is not Flaw.NO_ENTRY_SWEEP
        if known or moved or gone:
            dropped.append(index)
        else:
            keys.add(key)
            pages.add(buffer.page)
    return dropped


def recovery(words: Words, flaw: Flaw | None) -> list[Step]:
    """Return the stores that rebuild lists and counts from records, holds, tickets and entries.

    Rounds that were being taken out of magazines are finished first. Then recovery drops tickets and
    entries whose buffer is gone, and the lower-numbered entries of a key or buffer, and builds the lists
    of entries. Then it ends the arena's hold of buffers without an entry, and frees live buffers without
    a holder or ticket.
    """
    steps = [] if flaw is Flaw.TAKEN_STAYS else finished(words)
    words = words.after_all(steps)
    taken = set(words.taken())
    steps += [Step("listed", page, int(page not in taken)) for page in range(len(words.listed))]
    valid = []
    for entry, ticket in enumerate(words.tickets):
        if ticket and words.live(ticket.buffer):
            valid.append(ticket.buffer.page)
        elif ticket:
            steps.append(Step("tickets", entry, None))
    dropped = entries_dropped(words, flaw)
    steps += [step for step in cleared_all(words, dropped, None) if step.what == "directory"]
    if flaw is not Flaw.LISTS_STAY:
        steps += listed_again(words.after_all(steps))
    kept = {entry.buffer.page for entry in words.after_all(steps).directory if entry.number}
    for page, record in enumerate(words.records):
        count, hold = valid.count(page), words.holds[page]
        steps.append(Step("ticket_counts", page, count))
        stray = []
        if hold & ARENA and page not in kept and flaw is not Flaw.NO_KEPT_SWEEP:
            hold &= ~ARENA
            stray = [Step("holds", page, hold)]
        if flaw is Flaw.SWEEP_BEFORE_DIRECTORY:
            hold = words.holds[page]
        orphan = record and not hold and not count
        freed = freeing(words, page) if orphan and flaw is not Flaw.NO_ORPHAN_SWEEP else []
        steps += stray + freed
    return steps


def listed_again(words: Words) -> list[Step]:
    """Return the stores that empty the lists of entries, and add the entries in use to them again."""
    in_use = [index for index, entry in enumerate(words.directory) if entry.number]
    emptied = [Step("found", index, 0) for index, found in enumerate(words.found) if found]
    return [*emptied, *(Step("found", index, 1) for index in in_use)]


def finished(words: Words) -> list[Step]:
    """Return the stores that finish taking out the rounds that are marked as taken."""
    steps = []
    for slot, round_ in enumerate(words.magazines):
        if round_ and round_.taken:
            page = round_.buffer.page
            left = words.holds[page] & ~(1 << slot)
            if words.live(round_.buffer) and left != words.holds[page]:
                steps.append(Step("holds", page, left))
            steps.append(Step("magazines", slot, None))
    return steps


def takeover(state: State, flaw: Flaw | None) -> list[Step]:
    """Return the first steps of a process that gets the lock from a dead owner."""
    steps = recovery(state.words, flaw) if state.busy else []
    if flaw is Flaw.BUSY_CLEARED_BEFORE_RECOVER:
        return [DONE, *steps]
    return [*steps, DONE] if steps else []
