"""The directory: buffers kept under a key, found by it, and kept no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagebuddy.testing.sharing_model.flaws import Flaw
from pagebuddy.testing.sharing_model.plans.steps import (
    BUSY,
    DONE,
    REFUSED,
    UNLOCK,
    losing,
    unloading,
)
from pagebuddy.testing.sharing_model.words import ARENA, Entry, Step, Words

if TYPE_CHECKING:
    from pagebuddy.testing.sharing_model.state import Operation, State


def index_of(words: Words, key: int, flaw: Flaw | None) -> int | None:
    """Return where a key stands: the search passes over entries that are free again."""
    for index, entry in enumerate(words.directory):
        if not entry.number and flaw is Flaw.LOOKUP_STOPS_AT_FREE:
            return None
        if entry.number and entry.key == key:
            return index
    return None


def cleared(words: Words, index: int) -> Step:
    """Return the store that frees an entry: its state; the fields stay as they were."""
    return Step("directory", index, words.directory[index]._replace(number=0))


def keep(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Keep a buffer under a key: the fields, the arena's hold, then the entry's state, the commit.

    What the new entry displaces, the buffer's old key or the key's old buffer, has a lower number and
    is cleared after it. The key 0 is the empty one: any number of buffers may have it.
    """
    words, buffer, key = state.words, operation.first, operation.second
    index = next((at for at, entry in enumerate(words.directory) if not entry.number), None)
    before = words.entry_of(buffer)
    taken = index_of(words, key, flaw) if key else None
    kept_so = before is not None and (not key or before == taken)
    if index is None or kept_so or not state.processes[i].has(buffer, flaw):
        return REFUSED
    displaced = [words.directory[at] for at in (before, taken) if at is not None]
    entry = Entry(1 + max((old.number for old in displaced), default=0), key, buffer)
    page = buffer.page
    fields = [Step("directory", index, entry._replace(number=0))]
    held = [Step("holds", page, words.holds[page] | ARENA)] if before is None else []
    commit = [Step("directory", index, entry), Step("kept", key, buffer)]
    if flaw is Flaw.KEEP_STATE_BEFORE_FIELDS:
        fields = [Step("directory", index, words.directory[index]._replace(number=entry.number))]
    gain = [*fields, *held, *commit]
    if flaw is Flaw.KEEP_STATE_BEFORE_HOLD:
        gain = [*fields, *commit, *held]
    clear = [cleared(words, at) for at in (before, taken) if at is not None]
    lose = [] if taken is None else losing(words, words.directory[taken].buffer.page, ARENA)
    if flaw is Flaw.REPLACED_HOLD_FIRST:
        clear, lose = lose, clear
    if flaw is Flaw.REPLACE_OLD_FIRST:
        return [BUSY, *clear, *gain, *lose, DONE, UNLOCK]
    return [BUSY, *gain, *clear, *lose, DONE, UNLOCK]


def unkeep(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Keep a buffer no longer: the entry's state, which is the commit, then the arena's hold."""
    words, buffer = state.words, operation.first
    index = words.entry_of(buffer)
    if index is None:
        return REFUSED
    commit = [cleared(words, index), Step("unkept", value=buffer)]
    lose = losing(words, buffer.page, ARENA)
    if flaw is Flaw.UNKEEP_HOLD_FIRST:
        return [BUSY, *lose, *commit, DONE, UNLOCK]
    return [BUSY, *commit, *lose, DONE, UNLOCK]


def find(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Hold the buffer that is kept under a key."""
    words, key, buffer = state.words, operation.first, operation.second
    if buffer is None:
        index = index_of(words, key, flaw)
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
