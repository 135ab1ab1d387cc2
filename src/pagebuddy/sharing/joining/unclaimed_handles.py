"""Which handles nobody has claimed, by sender; for `OutOfPages` and `stat`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pagebuddy.core.words import low
from pagebuddy.sharing.system.clock import clock_ms
from pagebuddy.sharing.system.process import name_in
from pagebuddy.sharing.words import (
    A_TICKETS_END,
    OF_RING,
    SLOT_PID,
    SLOT_STATE,
    SLOT_WORDS,
    TICKET_BYTES,
    TICKET_LIFE,
    TICKET_NODE,
    TICKET_SENDER,
    TICKET_SENT,
    TICKET_SERIAL,
    TICKET_WORDS,
)

if TYPE_CHECKING:
    from pagebuddy.sharing.attached import Attached


class Sender(NamedTuple):
    """The unclaimed handles of one process; its id is 0 and its name "" if it has ended."""

    pid: int
    name: str
    n_handles: int
    n_bytes: int  # of the buffers that they name, each once
    age_s: float  # of the oldest


def senders_of(a: Attached) -> list[Sender]:
    """Return who sent the unclaimed handles, the oldest first.

    Reads the tickets without the arena's lock, so a ticket that changes meanwhile may be told wrongly.
    """
    time = clock_ms()
    tickets: dict[int, list[tuple[int, int, int]]] = {}
    start = a.layout.tickets_at
    end = min(a.memory[A_TICKETS_END], a.layout.n_tickets)
    for at in range(start, start + end * TICKET_WORDS, TICKET_WORDS):
        if a.memory[at + TICKET_SERIAL] and a.memory[at + TICKET_LIFE] >> 62 != OF_RING >> 62:
            # Without the group.
            sender = a.memory[at + TICKET_SENDER] & 0xFFFF_FFFF_0000_FFFF
            row = (
                a.memory[at + TICKET_SENT],
                a.memory[at + TICKET_NODE],
                a.memory[at + TICKET_BYTES],
            )
            tickets.setdefault(sender, []).append(row)
    senders = []
    for sender, rows in tickets.items():
        pid, name = process_of(a, sender & 0xFFFF, sender >> 32)
        buffers = {node: n_bytes for _, node, n_bytes in rows}
        age = max(time - min(sent for sent, _, _ in rows), 0) / 1000
        senders.append(Sender(pid, name, len(rows), sum(buffers.values()), age))
    return sorted(senders, key=lambda sender: -sender.age_s)


def totals_of(a: Attached) -> tuple[int, int, float, int, int]:
    """Return the number of unclaimed handles, their bytes, and the age of the oldest in s.

    And how many buffers messages of queues and topics keep, and their bytes.
    """
    senders = senders_of(a)
    n_handles = sum(sender.n_handles for sender in senders)
    n_bytes = sum(sender.n_bytes for sender in senders)
    return n_handles, n_bytes, senders[0].age_s if senders else 0.0, *_in_messages(a)


def _in_messages(a: Attached) -> tuple[int, int]:
    start = a.layout.tickets_at
    end = min(a.memory[A_TICKETS_END], a.layout.n_tickets)
    buffers = {
        a.memory[at + TICKET_NODE]: a.memory[at + TICKET_BYTES]
        for at in range(start, start + end * TICKET_WORDS, TICKET_WORDS)
        if a.memory[at + TICKET_SERIAL] and a.memory[at + TICKET_LIFE] >> 62 == OF_RING >> 62
    }
    return len(buffers), sum(buffers.values())


def process_of(a: Attached, slot: int, generation: int) -> tuple[int, str]:
    """Return the id and the name of the process that has a slot, if it still has it."""
    if slot >= a.layout.n_slots:
        return 0, ""
    at = a.layout.slots_at + slot * SLOT_WORDS
    own = a.memory[at : at + SLOT_WORDS]
    if low(own[SLOT_STATE]) != generation or own[SLOT_STATE] >> 63 == 0:
        return 0, ""
    return own[SLOT_PID], name_in(own)
