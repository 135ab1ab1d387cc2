"""What an arena's operations answer, as exceptions: what was asked, what was there, what to do."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

from pagebuddy.allocator.refusals import INVARIANTS
from pagebuddy.arguments import power_of_two
from pagebuddy.errors import (
    ArenaClosed,
    BadFree,
    CorruptMetadata,
    OutOfPages,
    OutOfSlots,
    OutOfTickets,
    StaleHandle,
)
from pagebuddy.memory.sizes import bytes_of
from pagebuddy.sharing import words

if TYPE_CHECKING:
    from pagebuddy.sharing.request import Request

OF_ARENAS = INVARIANTS | {
    words.F_ORPHAN: "every buffer has a holder, a ticket, or is kept",
    words.F_HOLDER: "whoever holds a buffer has a slot",
    words.F_TICKETS: "the tickets of all buffers are the tickets there are",
    words.F_TICKET: "a ticket names a live buffer that counts it, and bytes of it",
    words.F_KEPT: "every kept buffer has an entry in the directory",
    words.F_MAGAZINE: "a magazine has live buffers that its process holds",
    words.F_ENTRY: "an entry of the directory is found by its key and names a live, kept buffer",
}

MOST_KEY = 47

# In seconds, 31 years.
_FOR_EVER = 1e9

_MEND = "the arena's recover() rebuilds all but the records of live buffers"


def corrupt(fault: int, node: int) -> CorruptMetadata:
    """The error for a fault at a node."""
    page = node - words_first_node() if node >= words_first_node() else None
    where = f"at list {node}" if page is None else f"at page {page}"
    return CorruptMetadata(OF_ARENAS[fault], where, page, _MEND)


def words_first_node() -> int:
    """The node of page 0."""
    from pagebuddy.core.words import N_HEADS

    return N_HEADS


def error_for(a: Any, answer: int, request: Request) -> Exception:
    """The error for what an operation answered."""
    figures = request.answer
    if answer == words.POISONED:
        return CorruptMetadata(
            "no two live buffers share a page",
            "what is stored contradicts itself",
            None,
            "save what can be read, and make a new arena",
        )
    if answer == words.CORRUPT:
        return corrupt(a.figures["seen_fault"], a.figures["seen_node"])
    if answer == words.NOT_LIVE:
        page = figures["node"] - words_first_node()
        return BadFree(page, "free", f"there is no buffer at page {page}: is it gone?")
    if answer == words.NOT_FOUND:
        return KeyError(request.key_text)
    if answer == words.TAKEN:
        return ValueError(
            f"key {request.key_text!r} is taken; choose another, or keep(key, replace=True)"
        )
    if answer == words.FULL:
        return OutOfSlots(
            f"the directory has room for {a.layout.n_entries} kept buffers, and is full; unkeep some"
        )
    if answer == words.STALE:
        return StaleHandle(
            "the handle's ticket is gone: it was claimed or withdrawn before, or nobody claimed it in "
            "time; pickle the buffer once for each receiver"
        )
    if answer == words.NO_TICKETS:
        return OutOfTickets(
            f"the arena has {a.layout.n_tickets} tickets, {words.MOST_TICKETS_EACH} for one buffer, and "
            "no free one; claim some, or end those that nobody will claim: reap(unclaimed_after=seconds)"
        )
    if answer == words.FOREIGN:
        return ArenaClosed(
            "the arena was attached by the process that this one was forked or cloned from, and cannot "
            "be used here: attach again, or make another"
        )
    if answer == words.SHARED:
        return BufferError(
            "others may see the pages that would be given back: a view, an array, another process, "
            "a handle or a consumer of the buffer protocol; let go of those first"
        )
    if answer == words.OWN_LOCK:
        return RuntimeError(
            "this thread is inside another operation on the same arena, by a signal handler or a "
            "finalizer; call it from ordinary code"
        )
    return OSError("the arena's lock cannot be had: the system refuses it, or it was destroyed")


def cut_off() -> CorruptMetadata:
    """The file of an arena is shorter than it was."""
    return CorruptMetadata(
        "the arena's file is as long as it was",
        "somebody cut it off",
        None,
        "whoever touches what is missing is ended by the system: let go of it, and make a new arena",
    )


def seconds(timeout: Any, name: str = "timeout") -> float | None:
    """A time, checked; None also for one that no clock here gets to. Raises TypeError and ValueError."""
    if timeout is None:
        return None
    try:
        # Not `float`, which reads text as well.
        time = math.ldexp(timeout, 0)
    except OverflowError:
        time = math.inf if timeout > 0 else -math.inf
    except (TypeError, ValueError):
        raise TypeError(f"{name} is {timeout!r}; it must be a number of seconds, or None") from None
    if math.isnan(time) or time < 0:
        raise ValueError(f"{name} is {timeout!r}; it must not be negative")
    return time if time < _FOR_EVER else None


def key_to_keep(key: Any) -> str:
    """Return a key as text, "" for True. Raises TypeError and ValueError."""
    if key is not True and not isinstance(key, str):
        raise TypeError(f"key is {key!r}; it must be text, or True for none")
    return "" if key is True else checked_key(key)


def checked_key(key: Any) -> str:
    """Return a key that something may be kept under. Raises TypeError and ValueError."""
    if not isinstance(key, str):
        raise TypeError(f"key is {key!r}; it must be text")
    if not 1 <= len(key) <= MOST_KEY or not key.isascii() or "\0" in key:
        raise ValueError(f"key is {key!r}; it must have 1 to {MOST_KEY} ASCII characters")
    return key


def alignment(align: Any) -> int:
    """An alignment in bytes, checked. Raises TypeError and ValueError."""
    return power_of_two(bytes_of(align, "align"), "align", most=1 << 61)


def no_pages(n: int, free: int, longest: int, page_size: int, where: str) -> OutOfPages:
    """Nothing free would do."""
    return OutOfPages(n, free, longest, page_size, where)


def timed_out(a: Any, timeout: float) -> TimeoutError:
    """The error for a lock that was not to be had in time, naming who has it."""
    return TimeoutError(
        f"the arena's lock was not free for {timeout} seconds; {holder(a)} has it, and may have been "
        "stopped: let it go on, end it, or wait longer"
    )


def holder(a: Any) -> str:
    """Who is at work, in words."""
    slot = (a.memory[words.A_BUSY] >> 32) - 1
    if not 0 < slot < a.layout.n_slots:
        return "another process"
    pid = a.memory[a.layout.slots_at + slot * words.SLOT_WORDS + words.SLOT_PID]
    if pid == os.getpid():
        return "another thread of this process"
    return f"process {pid}"
