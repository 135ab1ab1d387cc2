"""The queues and topics of an arena, read without attaching or locking."""

from __future__ import annotations

import os
import time
from array import array
from typing import TYPE_CHECKING, NamedTuple

from pagebuddy.core.words import FIRST_NODE, low
from pagebuddy.messages.layout import WORD, RingLayout, cells_at, region_at, rows_at
from pagebuddy.sharing.joining.listing import kept_in, slots_of
from pagebuddy.sharing.joining.unclaimed_handles import process_of
from pagebuddy.sharing.words import (
    A_TICKETS_END,
    C_NUMBER,
    C_SIZES,
    C_STATE,
    CELL_WORDS,
    IN_HAND,
    OF_RING,
    QUEUE,
    R_CREATED,
    R_GETS,
    R_HEAD,
    R_PUTS,
    R_READY,
    R_TAIL,
    READY,
    RING_WORDS,
    ROW_MISSED,
    ROW_NEXT,
    ROW_STATE,
    ROW_WORDS,
    TICKET_BYTES,
    TICKET_LIFE,
    TICKET_NODE,
    TICKET_SERIAL,
    TICKET_WORDS,
    TOPIC_BLOCK,
    TOPIC_DROP,
    WRITING,
    is_of_ring,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pagebuddy.arena.looking.snapshot import Snapshot

# Kind, key, offset and bytes.
Kept = tuple[str, str, int, int]


class SubscriptionRow(NamedTuple):
    """A subscription: its process (0 and "" if that has ended), what it has to read, what it missed."""

    pid: int
    name: str
    behind: int
    missed: int


class RingRow(NamedTuple):
    """A queue or a topic at one moment.

    `messages` can be received, `in_hand` are being written or received, `of_dead` of them by processes
    that have ended. `waiting` is "message" if processes wait for one, "room" if they wait for room, or
    "" if none does; they may have given up meanwhile.
    `limit` is the queue's maxsize or the topic's history, 0 for none. `put` counts since it was made.
    """

    name: str
    kind: str
    policy: str | None
    limit: int
    messages: int
    n_bytes: int
    in_hand: int
    of_dead: int
    waiting: str
    put: int
    created: float
    looked: float
    producers: int
    subscriptions: tuple[SubscriptionRow, ...]

    @property
    def missed(self) -> int:
        """How many messages the subscriptions missed, all together."""
        return sum(row.missed for row in self.subscriptions)

    def rate(self, before: RingRow | None = None) -> float:
        """Messages put in a second: since an earlier look at the same ring, or since it was made."""
        if before is None or before.created != self.created:
            return self.put / max(self.looked - self.created, 1e-3)
        return max(self.put - before.put, 0) / max(self.looked - before.looked, 1e-3)

    def as_dict(self, before: RingRow | None = None) -> dict[str, object]:
        """The figures, ready for JSON."""
        figures: dict[str, object] = {
            "name": self.name,
            "messages": self.messages,
            "bytes": self.n_bytes,
            "in_hand": self.in_hand,
            "of_dead": self.of_dead,
            "waiting": self.waiting or None,
            "put": self.put,
            "rate": round(self.rate(before), 3),
            "created": self.created,
        }
        if self.policy is None:
            return figures | {"maxsize": self.limit, "producers": self.producers}
        subscriptions = [row._asdict() for row in self.subscriptions]
        return figures | {
            "history": self.limit,
            "policy": self.policy,
            "missed": self.missed,
            "subscriptions": subscriptions,
        }


def rings_of(
    snapshot: Snapshot, kept: Iterable[Kept] | None = None, *, brief: bool = False
) -> list[RingRow]:
    """Return the named queues and topics of an arena, by kind and name. Leaves out damaged ones.

    `kept` is what `kept_in` returns. If `brief`, messages are counted as the ring counts them, without
    what they occupy and who has them in hand: this takes the same time for any number of messages.
    """
    every = kept_in(snapshot._open) if kept is None else kept
    rings = [each for each in every if each[0] in ("queue", "topic")]
    if not rings:
        return []
    living = frozenset(slot for slot, alive in slots_of(snapshot._open) if alive)
    in_buffers = {} if brief else _bytes_in_buffers(snapshot)
    rows = [_ring(snapshot, each, living, in_buffers, brief) for each in rings]
    return sorted((row for row in rows if row), key=lambda row: (row.kind, row.name))


def earlier(row: RingRow, before: Sequence[RingRow]) -> RingRow | None:
    """Return an earlier look at the same ring, if there is one."""
    return next((old for old in before if (old.kind, old.name) == (row.kind, row.name)), None)


def by_kind(rows: Sequence[RingRow], before: Sequence[RingRow] = ()) -> dict[str, object]:
    """The figures of queues and topics, ready for JSON."""
    return {
        f"{kind}s": [row.as_dict(earlier(row, before)) for row in rows if row.kind == kind]
        for kind in ("queue", "topic")
    }


def _ring(
    snapshot: Snapshot,
    kept: Kept,
    living: frozenset[int],
    in_buffers: dict[int, int],
    brief: bool,
) -> RingRow | None:
    def owner(state: int) -> tuple[int, str]:
        slot = state >> 8 & 0xFFFF
        return process_of(snapshot._open, slot, state >> 32) if slot in living else (0, "")

    _, name, offset, n_bytes = kept
    # The header, and if there is a ring, its rows and cells, but not the bytes of its messages.
    layout = RingLayout.read(_words(snapshot, offset, RING_WORDS * WORD), n_bytes)
    if layout is None:
        return None
    n_words = cells_at(layout.n_rows) if brief else region_at(layout.n_rows, layout.n_cells)
    words = _words(snapshot, offset, n_words * WORD)
    if len(words) < n_words:
        return None
    looked = time.time()
    in_hand = of_dead = stored = 0
    first, end = words[R_TAIL], words[R_HEAD]
    ready = words[R_READY] if brief else 0
    for number in () if brief else range(first, min(end, first + layout.n_cells)):
        at = cells_at(layout.n_rows) + (number % layout.n_cells) * CELL_WORDS
        state = words[at + C_STATE]
        if words[at + C_NUMBER] != number or state & 0xFF not in (READY, WRITING, IN_HAND):
            continue
        stored += max(low(words[at + C_SIZES]) - 16 * (words[at + C_SIZES] >> 32), 0)
        if state & 0xFF == READY:
            ready += 1
        else:
            in_hand += 1
            of_dead += owner(state)[0] == 0
    states = [words[at + ROW_STATE] for at in _rows_at(layout)]
    is_queue = layout.kind == QUEUE
    subscriptions = [] if is_queue else list(_subscriptions(words, layout, owner))
    has_read_all = any(row.behind == 0 for row in subscriptions) if subscriptions else ready == 0
    # A flag may be older than the last message, or set by a repair.
    waiting = "message" if words[R_PUTS + 1] and has_read_all else ""
    if words[R_GETS + 1] and layout.limit and ready + in_hand >= layout.limit:
        # In a topic which drops messages, nobody does.
        waiting = "room" if layout.kind != TOPIC_DROP else waiting
    return RingRow(
        name,
        "queue" if is_queue else "topic",
        None if is_queue else ("block" if layout.kind == TOPIC_BLOCK else "drop"),
        layout.limit,
        ready,
        stored + in_buffers.get(FIRST_NODE + offset // snapshot.layout.page_size, 0),
        in_hand,
        of_dead,
        waiting,
        end,
        words[R_CREATED] / 1000,
        looked,
        sum(owner(state)[0] != 0 for state in states if state) if is_queue else 0,
        tuple(subscriptions),
    )


def _words(snapshot: Snapshot, offset: int, n_bytes: int) -> Sequence[int]:
    data = os.pread(snapshot.fd, n_bytes & ~7, snapshot.layout.data_at + offset)
    return array("Q", data[: len(data) & ~7])


def _rows_at(layout: RingLayout) -> Iterator[int]:
    return (rows_at() + row * ROW_WORDS for row in range(layout.n_rows))


def _subscriptions(
    words: Sequence[int], layout: RingLayout, owner: Callable[[int], tuple[int, str]]
) -> Iterator[SubscriptionRow]:
    for at in _rows_at(layout):
        if words[at + ROW_STATE]:
            number = words[at + ROW_NEXT]
            missed = words[at + ROW_MISSED + (number & 1)]
            pid, name = owner(words[at + ROW_STATE])
            # What was dropped meanwhile is noted later.
            late = max(words[R_TAIL] - number, 0)
            yield SubscriptionRow(pid, name, max(words[R_HEAD] - number - late, 0), missed + late)


def _bytes_in_buffers(snapshot: Snapshot) -> dict[int, int]:
    """Bytes of the buffers that messages of each ring keep, each once, by the node of the ring."""
    words, start = snapshot.words, snapshot.layout.tickets_at
    end = min(words[A_TICKETS_END], snapshot.layout.n_tickets)
    buffers: dict[int, dict[int, int]] = {}
    for at in range(start, start + end * TICKET_WORDS, TICKET_WORDS):
        if words[at + TICKET_SERIAL] and is_of_ring(words[at + TICKET_LIFE]):
            ring = buffers.setdefault(words[at + TICKET_LIFE] ^ OF_RING, {})
            ring[words[at + TICKET_NODE]] = words[at + TICKET_BYTES]
    return {node: sum(each.values()) for node, each in buffers.items()}
