"""Answers of operations as exceptions, and checked arguments: the messages that users read."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from pagebuddy.allocator.refusals import INVARIANTS
from pagebuddy.arguments import power_of_two
from pagebuddy.core.words import FIRST_NODE
from pagebuddy.errors import (
    ArenaClosed,
    BadFree,
    CorruptMetadata,
    OutOfKeys,
    OutOfTickets,
    StaleHandle,
)
from pagebuddy.memory.sizes import bytes_of
from pagebuddy.sharing import words

if TYPE_CHECKING:
    from typing import Any, TypeGuard

    from pagebuddy.sharing.attached import Attached
    from pagebuddy.sharing.request import Request

OF_ARENAS = INVARIANTS | {
    words.F_ORPHAN: "every live buffer has a holder or a ticket, or is kept",
    words.F_HOLDER: "every holder of a buffer has a slot",
    words.F_TICKETS: "the counts of tickets of all buffers add up to the number of tickets",
    words.F_TICKET: "every ticket names a live buffer that counts it, and at most the buffer's bytes",
    words.F_KEPT: "every kept buffer has an entry in the directory",
    words.F_MAGAZINE: "a magazine contains only live buffers that its process holds",
    words.F_ENTRY: "every entry of the directory is found by its key and names a live, kept buffer",
    words.F_DIRECTORY: "every entry of the directory is in its buckets, or in the list of free ones",
}
"""The invariants of an arena, by fault."""

MAX_KEY = 47

# About 31 years: longer waits are endless, because system calls refuse them.
_MAX_WAIT_S = 1e9

READ_ONLY = (
    "this process attached the arena with readonly=True, which prevents this; let another process "
    "do it, or close this arena and attach it without readonly"
)

_MEND = "the arena's recover() rebuilds everything but the records of live buffers"


def corrupt(fault: int, node: int) -> CorruptMetadata:
    """The error for a fault at a node."""
    page = node - FIRST_NODE if node >= FIRST_NODE else None
    where = f"at list {node}" if page is None else f"at page {page}"
    return CorruptMetadata(OF_ARENAS[fault], where, page, _MEND)


def error_for(a: Attached, answer: int, request: Request) -> Exception:
    """The error for an operation's answer."""
    if answer == words.POISONED:
        return CorruptMetadata(
            "no two live buffers share a page",
            "their records contradict each other, so recover() cannot repair the arena",
            None,
            "save the buffers that you can still read, and create a new arena",
        )
    if answer == words.CORRUPT:
        return corrupt(a.figures["seen_fault"], a.figures["seen_node"])
    if answer == words.NOT_LIVE:
        page = request.answer["node"] - FIRST_NODE
        message = f"there is no buffer at page {page}: it was freed, or never allocated"
        return BadFree(page, "free", message)
    if answer == words.NOT_FOUND:
        return KeyError(request.key_text)
    if answer == words.TAKEN:
        return ValueError(
            f"key {request.key_text!r} is taken; choose another, or keep(key, replace=True)"
        )
    if answer == words.FULL:
        return OutOfKeys(a.layout.n_entries)
    if answer == words.STALE:
        return StaleHandle(
            "the handle's ticket has ended: it was claimed or withdrawn before, or nobody claimed it in "
            "time; pickle the buffer once for each receiver, or give receivers= and a longer expires="
        )
    if answer == words.NO_TICKETS:
        return OutOfTickets(
            f"the arena has {a.layout.n_tickets} tickets, {words.MOST_TICKETS_EACH} for one buffer, and "
            "none is free; claim some handles, or end old ones with reap(unclaimed_after=seconds)"
        )
    if answer == words.FOREIGN:
        return ArenaClosed(
            "this process was forked or cloned from the one that attached the arena, and cannot use the "
            "arena by that; attach it again, or create another"
        )
    if answer == words.SHARED:
        return BufferError(
            "others may see the pages that would be freed: a view, an array, another process, a handle, "
            "or a consumer of the buffer protocol; release those first"
        )
    if answer == words.OWN_LOCK:
        return RuntimeError(
            "this thread is already inside an operation on the same arena, and a signal handler or a "
            "finalizer called another; call it outside of such code"
        )
    return OSError(
        "the system refuses the arena's lock: its descriptor was closed, its file cannot be opened "
        "again, or its mutex was destroyed; attach the arena again"
    )


def cut_off() -> CorruptMetadata:
    """The error for a file that is shorter than the arena."""
    return CorruptMetadata(
        "the arena's file has its full length",
        "it was truncated",
        None,
        "touching the missing part kills the process; release the arena, and create a new one",
    )


def seconds(timeout: Any, name: str = "timeout") -> float | None:
    """A checked time in seconds; None for no limit. Raises TypeError and ValueError."""
    if timeout is None:
        return None
    try:
        # Not `float`, which accepts text.
        time = math.ldexp(timeout, 0)
    except OverflowError:
        time = math.inf if timeout > 0 else -math.inf
    except (TypeError, ValueError):
        raise TypeError(f"{name} is {timeout!r}; it must be a number of seconds, or None") from None
    if math.isnan(time) or time < 0:
        raise ValueError(f"{name} is {timeout!r}; it must not be negative")
    return time if time < _MAX_WAIT_S else None


def key_to_keep(key: object) -> str:
    """A checked key, "" for True. Raises TypeError and ValueError."""
    if key is not True and not isinstance(key, str):
        raise TypeError(f"key is {key!r}; it must be text, or True for no key")
    return "" if key is True else checked_key(key)


def checked_key(key: object) -> str:
    """A checked key of a kept buffer. Raises TypeError and ValueError."""
    if not isinstance(key, str):
        raise TypeError(f"key is {key!r}; it must be text")
    # A subclass could say something else about itself each time.
    key = str.__str__(key)
    if not is_key(key):
        raise ValueError(f"key is {key!r}; it must have 1 to {MAX_KEY} ASCII characters, not NUL")
    return key


def is_key(key: object) -> TypeGuard[str]:
    """Whether a buffer can be kept under this key."""
    return isinstance(key, str) and 1 <= len(key) <= MAX_KEY and key.isascii() and "\0" not in key


def alignment(align: object) -> int:
    """A checked alignment in bytes. Raises TypeError and ValueError."""
    return power_of_two(bytes_of(align, "align"), "align", most=1 << 61)


def timed_out(a: Attached, timeout: float) -> TimeoutError:
    """The error for a lock that was not free in time; it names the owner."""
    return TimeoutError(
        f"the arena's lock was not free for {timeout} seconds; {lock_owner(a)} has it, and may be "
        "stopped: resume or kill it, or wait longer"
    )


def lock_owner(a: Attached) -> str:
    """The process or thread in an operation, in words."""
    slot = (a.memory[words.A_BUSY] >> 32) - 1
    if not 0 < slot < a.layout.n_slots:
        return "another process"
    pid = a.memory[a.layout.slots_at + slot * words.SLOT_WORDS + words.SLOT_PID]
    if pid == os.getpid():
        return "another thread of this process"
    return f"process {pid}"
