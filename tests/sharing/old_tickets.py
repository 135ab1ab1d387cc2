"""Making the tickets of an arena older, instead of waiting."""

from __future__ import annotations

from pagebuddy.sharing.words import TICKET_SENT, TICKET_SERIAL, TICKET_WORDS


def tickets_of(arena):
    """The words of all tickets."""
    a = arena._attachment
    return a.memory[a.layout.tickets_at : a.layout.tickets_at + TICKET_WORDS * a.layout.n_tickets]


def make_old(arena, ms):
    """Make all tickets as old as if they had been sent that many ms earlier."""
    words = tickets_of(arena)
    for at in range(0, len(words), TICKET_WORDS):
        if words[at + TICKET_SERIAL]:
            words[at + TICKET_SENT] -= ms
