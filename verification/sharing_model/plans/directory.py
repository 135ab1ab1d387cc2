"""Plans of the directory: keep a buffer under a key, find it by key, and unkeep it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.sharing_model.flaws import Flaw
from verification.sharing_model.plans.steps import (
    BUSY,
    DONE,
    REFUSED,
    UNLOCK,
    losing,
    unloading,
)
from verification.sharing_model.words import ARENA, Entry, Step, Words

if TYPE_CHECKING:
    from verification.sharing_model.state import Operation, State


def index_of(words: Words, key: int) -> int | None:
    """Return the index of a key."""
    for index, entry in enumerate(words.directory):
        if words.found[index] and entry.number and entry.key == key:
            return index
    return None


def cleared(words: Words, index: int, flaw: Flaw | None) -> list[Step]:
    """Return the stores that free an entry: its state first. It is then no longer searched for."""
    free = Step("directory", index, words.directory[index]._replace(number=0))
    if flaw is Flaw.FREED_IS_FOUND or not words.found[index]:
        return [free]
    return [free, Step("found", index, 0)]


def cleared_all(words: Words, indices: list[int], flaw: Flaw | None) -> list[Step]:
    """Return the stores that free entries one after the other."""
    steps: list[Step] = []
    for index in indices:
        steps += cleared(words.after_all(steps), index, flaw)
    return steps


def keep(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Keep a buffer under a key: fields, the arena's hold, then the entry's state, which is the commit.

    Then the entry is added to the lists in which it is searched for. The new entry displaces the
    buffer's old key and the key's old buffer. Their entries have lower numbers and are cleared
    afterwards. Key 0 is the empty key, which any number of buffers may have.
    """
    words, buffer, key = state.words, operation.first, operation.second
    index = next((at for at, entry in enumerate(words.directory) if not entry.number), None)
    before = words.entry_of(buffer)
    taken = index_of(words, key) if key else None
    kept_so = before is not None and (not key or before == taken)
    if index is None or kept_so or not state.processes[i].has(buffer, flaw):
        return REFUSED
    displaced = [at for at in (before, taken) if at is not None]
    number = 1 + max((words.directory[at].number for at in displaced), default=0)
    entry = Entry(number, key, buffer)
    page = buffer.page
    fields = [Step("directory", index, entry._replace(number=0))]
    held = [Step("holds", page, words.holds[page] | ARENA)] if before is None else []
    commit = [Step("directory", index, entry), Step("kept", key, buffer)]
    if flaw is Flaw.KEEP_STATE_BEFORE_FIELDS:
        fields = [Step("directory", index, words.directory[index]._replace(number=entry.number))]
    listed = [Step("found", index, 1)]
    gain = [*fields, *held, *commit, *listed]
    if flaw is Flaw.KEEP_STATE_BEFORE_HOLD:
        gain = [*fields, *commit, *held, *listed]
    begun = words if flaw is Flaw.REPLACE_OLD_FIRST else words.after_all(gain)
    clear = cleared_all(begun, displaced, flaw)
    lose = [] if taken is None else losing(words, words.directory[taken].buffer.page, ARENA)
    if flaw is Flaw.REPLACED_HOLD_FIRST:
        clear, lose = lose, clear
    if flaw is Flaw.REPLACE_OLD_FIRST:
        return [BUSY, *clear, *gain, *lose, DONE, UNLOCK]
    return [BUSY, *gain, *clear, *lose, DONE, UNLOCK]


def unkeep(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Stop keeping a buffer: clear the entry's state, which is the commit, then the arena's hold."""
    words, buffer = state.words, operation.first
    index = words.entry_of(buffer)
    if index is None:
        return REFUSED
    state_0, *unlisted = cleared(words, index, flaw)
    commit = [state_0, Step("unkept", value=buffer), *unlisted]
    lose = losing(words, buffer.page, ARENA)
    if flaw is Flaw.UNKEEP_HOLD_FIRST:
        return [BUSY, *lose, *commit, DONE, UNLOCK]
    return [BUSY, *commit, *lose, DONE, UNLOCK]


def find(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Hold the buffer that is kept under a key."""
    words, key, buffer = state.words, operation.first, operation.second
    if buffer is None:
        index = index_of(words, key)
        if index is None:
            return [Step("missing", key), UNLOCK]
        buffer = words.directory[index].buffer
    mine = state.processes[i].slot
    unloaded = unloading(words, mine, buffer.page, flaw)
    held = words.holds[buffer.page] | 1 << mine
    return [
        BUSY,
        *unloaded,
        Step("holds", buffer.page, held),
        DONE,
        Step("view", value=buffer),
        UNLOCK,
    ]
