"""What there is in an arena: its buffers, and the processes that hold them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pagebuddy.core.words import N_HEADS
from pagebuddy.sharing.system.alive import lease_is_gone, may_judge
from pagebuddy.sharing.system.process import name_in
from pagebuddy.sharing.words import (
    FIRST_WORD_SLOTS,
    KEY_WORDS,
    OP_BUFFERS,
    OP_ENTRIES,
    SLOT_NAMESPACE,
    SLOT_PID,
    SLOT_START,
    SLOT_STATE,
    SLOT_STICKY,
    SLOT_WORDS,
    is_live_slot,
    tickets_in,
)

_ROWS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class BufferRow:
    """A live buffer: where it is, and who needs it.

    `offset` and `nbytes` are in bytes. What was asked for is known of kept buffers alone; of others
    `nbytes` is all of their pages. `holders` are slots, as `ProcessRow.slot` has them. `key` is None for
    what is not kept, and "" for what is kept without one.
    """

    offset: int
    n_pages: int
    nbytes: int
    kept: bool
    key: str | None
    holders: tuple[int, ...]
    tickets: int


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """A process that is attached, or died so.

    `alive` is what its lease says; everything else is what it told of itself, for people: `pid` in its
    own namespace, 0 for one that was forked and has not run yet, `started` in ticks since the machine
    did. `sticky` says that processes which were forked from it share its slot. `buffers` and `nbytes`
    are what it holds; what several hold counts for each.
    """

    slot: int
    pid: int
    started: int
    namespace: int
    name: str
    alive: bool
    sticky: bool
    me: bool
    buffers: int
    nbytes: int


def buffers_of(a: Any) -> Iterator[BufferRow]:
    """Yield the live buffers in address order, each as it is when it is come to."""
    page_size = a.layout.page_size
    kept = _kept_of(a)
    for node, n, generation, holds in _spans_of(a):
        key, nbytes = kept.get((node, generation), (None, n * page_size))
        yield BufferRow(
            offset=(node - N_HEADS) * page_size,
            n_pages=n,
            nbytes=nbytes,
            kept=bool(holds[0] & 1),
            key=key,
            holders=tuple(holders_in(holds, a.layout.n_slots)),
            tickets=tickets_in(holds[0]),
        )


def keys_of(a: Any) -> list[str]:
    """Return the keys of kept buffers, in alphabetical order."""
    return sorted(key for key, _ in _kept_of(a).values() if key)


def processes_of(a: Any) -> list[ProcessRow]:
    """Return who is attached, by slot. Cost: a walk through the buffers."""
    layout, words = a.layout, a.memory
    counts = [0] * layout.n_slots
    pages = [0] * layout.n_slots
    for _, n, _, holds in _spans_of(a):
        for slot in holders_in(holds, layout.n_slots):
            counts[slot] += 1
            pages[slot] += n
    rows = []
    for slot, alive in slots_of(a):
        at = layout.slots_at + slot * SLOT_WORDS
        own = words[at : at + SLOT_WORDS]
        rows.append(
            ProcessRow(
                slot=slot,
                pid=own[SLOT_PID],
                started=own[SLOT_START],
                namespace=own[SLOT_NAMESPACE],
                name=name_in(own),
                alive=alive,
                sticky=own[SLOT_STICKY] != 0,
                me=slot == a.figures["slot"],
                buffers=counts[slot],
                nbytes=pages[slot] * layout.page_size,
            )
        )
    return rows


def slots_of(a: Any) -> Iterator[tuple[int, bool]]:
    """Yield the slots in use, and whether their processes are alive."""
    me = a.figures["slot"]
    judge = Judge(a)
    for slot in range(1, a.layout.n_slots):
        if is_live_slot(a.memory[a.layout.slots_at + slot * SLOT_WORDS + SLOT_STATE]):
            yield slot, slot == me or judge.is_alive(slot)


class Judge:
    """Tells who is alive, as far as this process can."""

    def __init__(self, a: Any) -> None:
        self.fd = a.fileno()
        self.slot = a.figures["slot"]
        self.device, self.inode = self._identity(a.medium)
        self._may = may_judge(self)

    @staticmethod
    def _identity(medium: Any) -> tuple[int, int]:
        return medium.identity if medium.shared else (0, 0)

    def is_alive(self, slot: int) -> bool:
        """Whether a slot's process is alive; True where that cannot be told."""
        return not (self._may and lease_is_gone(self, slot))


def _spans_of(a: Any) -> Iterator[tuple[int, int, int, list[int]]]:
    """Yield node, pages, generation and words of holds of each live buffer."""
    width = 3 + a.layout.words_of_holds
    node = N_HEADS
    while node:
        request = a.request(node=node, rows=width * _ROWS_AT_ONCE)
        a.perform(request, OP_BUFFERS)
        filled = request.filled
        for at in range(0, len(filled), width):
            yield filled[at], filled[at + 1], filled[at + 2], filled[at + 3 : at + width]
        node = request.answer["node"]


def _kept_of(a: Any) -> dict[tuple[int, int], tuple[str, int]]:
    """The directory: (node, generation) to key and bytes."""
    width = 3 + KEY_WORDS
    found = {}
    entry = 0
    while entry < a.layout.n_entries:
        request = a.request(entry=entry, rows=width * _ROWS_AT_ONCE)
        a.perform(request, OP_ENTRIES)
        words = request.rows_view()
        for at in range(0, len(words), width):
            key = words[at + 3 : at + width].tobytes().rstrip(b"\0").decode("ascii", "replace")
            found[words[at], words[at + 1]] = key, words[at + 2]
        entry = request.answer["entry"]
    return found


def holders_in(holds: list[int], n_slots: int) -> Iterator[int]:
    """The slots of the processes that hold a buffer; a few of many, so that bits are gone through."""
    slots = holds[0] & (1 << FIRST_WORD_SLOTS) - 2
    for i, word in enumerate(holds[1:]):
        slots |= word << FIRST_WORD_SLOTS + 64 * i
    slots &= (1 << n_slots) - 1
    while slots:
        lowest = slots & -slots
        yield lowest.bit_length() - 1
        slots ^= lowest
