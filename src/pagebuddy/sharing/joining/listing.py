"""Listing the buffers of an arena, its keys, and the processes that are attached."""

# The order of values is part of pickles.
# ruff: noqa: RUF023

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, ClassVar, cast

from pagebuddy.allocator.frozen import Frozen
from pagebuddy.core.words import FIRST_NODE
from pagebuddy.sharing.system.alive import lease_is_gone, may_judge
from pagebuddy.sharing.system.process import name_in
from pagebuddy.sharing.words import (
    FIRST_WORD_SLOTS,
    FOR_BUFFERS,
    FOR_QUEUES,
    FOR_TOPICS,
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
)

if TYPE_CHECKING:
    from pagebuddy.memory.mapped import Mapped
    from pagebuddy.memory.medium import Medium
    from pagebuddy.sharing.attached import Attached
    from pagebuddy.sharing.request import Request

_ROWS_AT_ONCE = 256

# What a key is for, by the number of its namespace.
NAMESPACES = ("buffer", "object", "queue", "topic")

# Faster than to set attributes: an arena may have a million buffers.
_store = object.__setattr__


class BufferRow(Frozen):
    """A live buffer: where it is, and what protects it.

    Attributes
    ----------
    offset : int
        Distance of its first byte from the arena's first page, in bytes.
    n_pages : int
        Its size in pages.
    nbytes : int
        Its size in bytes: the size that was asked for if it is kept, else the size of all its pages.
    kept : bool
        Whether it is kept: a kept buffer outlives its holders.
    key : str or None
        The key under which it is kept, "" if it is kept without a key, None if it is not kept.
    holders : tuple of int
        The slots of the processes that hold it, as in `ProcessRow.slot`.
    tickets : int
        The number of its handles that were sent and not claimed yet, and of messages of queues and
        topics that have it.
    kept_at : float or None
        When it was kept under this key, in seconds since 1970 as of `time.time`; None if it is not kept.
    kind : str or None
        What it is kept as: ``"buffer"``, found by ``arena[key]``; ``"object"``, found by
        ``arena.objects[key]``; ``"queue"`` or ``"topic"``. None if it is not kept.
    """

    __slots__ = (
        "offset",
        "n_pages",
        "nbytes",
        "kept",
        "key",
        "holders",
        "tickets",
        "kept_at",
        "kind",
    )
    __match_args__: ClassVar[tuple[str, ...]] = __slots__

    offset: int
    n_pages: int
    nbytes: int
    kept: bool
    key: str | None
    holders: tuple[int, ...]
    tickets: int
    kept_at: float | None
    kind: str | None

    def __init__(
        self,
        offset: int,
        n_pages: int,
        nbytes: int,
        kept: bool,
        key: str | None,
        holders: tuple[int, ...],
        tickets: int,
        kept_at: float | None = None,
        kind: str | None = None,
    ) -> None:
        _store(self, "offset", offset)
        _store(self, "n_pages", n_pages)
        _store(self, "nbytes", nbytes)
        _store(self, "kept", kept)
        _store(self, "key", key)
        _store(self, "holders", holders)
        _store(self, "tickets", tickets)
        _store(self, "kept_at", kept_at)
        _store(self, "kind", kind)

    def __setstate__(self, values: Iterable[object]) -> None:
        # Pickles of version 0.1 end with the tickets.
        super().__setstate__([*values, None, None][: len(self.__slots__)])


class ProcessRow(Frozen):
    """A process that is attached, or died attached.

    Only `alive` is certain, because it depends on the process's lease. The process wrote `pid`,
    `started`, `namespace` and `name` itself.

    Attributes
    ----------
    slot : int
        Its slot in the arena.
    pid : int
        Its process id in its own namespace; 0 if it was forked and has not run yet.
    started : int
        When it started, in clock ticks since the machine started.
    namespace : int
        The inode of its pid namespace.
    name : str
        The name of its script or program.
    alive : bool
        Whether it is alive.
    sticky : bool
        Whether forked children share its slot.
    me : bool
        Whether it is this process.
    buffers : int
        The number of buffers that it holds. Buffers of several processes count for each.
    nbytes : int
        The size of all pages of these buffers, in bytes.
    """

    __slots__ = (
        "slot",
        "pid",
        "started",
        "namespace",
        "name",
        "alive",
        "sticky",
        "me",
        "buffers",
        "nbytes",
    )
    __match_args__: ClassVar[tuple[str, ...]] = __slots__

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

    def __init__(
        self,
        slot: int,
        pid: int,
        started: int,
        namespace: int,
        name: str,
        alive: bool,
        sticky: bool,
        me: bool,
        buffers: int,
        nbytes: int,
    ) -> None:
        _store(self, "slot", slot)
        _store(self, "pid", pid)
        _store(self, "started", started)
        _store(self, "namespace", namespace)
        _store(self, "name", name)
        _store(self, "alive", alive)
        _store(self, "sticky", sticky)
        _store(self, "me", me)
        _store(self, "buffers", buffers)
        _store(self, "nbytes", nbytes)


def buffers_of(a: Attached) -> Iterator[BufferRow]:
    """Return an iterator over the live buffers by offset, each as it is when the walk reaches it."""
    return chain.from_iterable(_rows_of(a))


def _rows_of(a: Attached) -> Iterator[list[BufferRow]]:
    """Yield the rows of the live buffers in parts, each from one operation."""
    kept = _kept_of(a)
    for request in _walk(a):
        # One for each part: holders may differ in each of a million buffers.
        yield request.buffer_rows(BufferRow, a.layout, kept, _Holders(a.layout.n_slots))


def offsets_of(a: Attached) -> list[int]:
    """Return the offsets of the live buffers in ascending order: much faster than their rows."""
    page_size, first, width = a.layout.page_size, FIRST_NODE, _width_of(a)
    return [
        (node - first) * page_size
        for request in _walk(a)
        for node in request.rows_view()[::width].tolist()
    ]


def keys_of(a: Attached, namespace: int = FOR_BUFFERS) -> list[str]:
    """Return the keys of what is kept in a namespace, in alphabetical order."""
    wanted = NAMESPACES[namespace]
    return sorted(key for key, _, _, kind in _kept_of(a).values() if key and kind == wanted)


def kept_in(a: Attached) -> list[tuple[str, str, int, int]]:
    """Return kind, key, offset and bytes of each buffer that is kept. Cost: a walk through all keys."""
    page_size = a.layout.page_size
    return [
        (kind, key, (node - FIRST_NODE) * page_size, n_bytes)
        for (node, _), (key, n_bytes, _, kind) in _kept_of(a).items()
    ]


def has_rings(a: Attached) -> bool:
    """Whether the arena has a queue or a topic with a name."""
    kinds = NAMESPACES[FOR_QUEUES], NAMESPACES[FOR_TOPICS]
    return any(kind in kinds for _, _, _, kind in _kept_of(a).values())


def processes_of(a: Attached) -> list[ProcessRow]:
    """Return the attached processes, by slot. Cost: a walk through the buffers."""
    layout, words = a.layout, a.memory
    counts = [0] * layout.n_slots
    pages = [0] * layout.n_slots
    width = _width_of(a)
    for request in _walk(a):
        filled = request.filled
        for at in range(0, len(filled), width):
            for slot in holders_in(filled[at + 3 : at + width], layout.n_slots):
                counts[slot] += 1
                pages[slot] += filled[at + 1]
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


def slots_of(a: Attached) -> Iterator[tuple[int, bool]]:
    """Yield each live slot, and whether its process is alive."""
    me = a.figures["slot"]
    judge = Judge(a)
    for slot in range(1, a.layout.n_slots):
        if is_live_slot(a.memory[a.layout.slots_at + slot * SLOT_WORDS + SLOT_STATE]):
            yield slot, slot == me or judge.is_alive(slot)


class Judge:
    """Tells which processes are alive, as far as this process can."""

    def __init__(self, a: Attached) -> None:
        self.fd = a.fileno()
        self.slot = a.figures["slot"]
        self.device, self.inode = self._identity(a.medium)
        self._may = may_judge(self)

    @staticmethod
    def _identity(medium: Medium) -> tuple[int, int]:
        return cast("Mapped", medium).identity if medium.shared else (0, 0)

    def is_alive(self, slot: int) -> bool:
        """Whether a slot's process is alive; True if this process cannot tell."""
        return not (self._may and lease_is_gone(self, slot))


def _width_of(a: Attached) -> int:
    """Return the number of words of a buffer in the rows of `OP_BUFFERS`."""
    return 3 + a.layout.words_of_holds


def _walk(a: Attached) -> Iterator[Request]:
    """Yield the requests of a walk through the live buffers, each with a part of them in its rows."""
    node = FIRST_NODE
    while node:
        request = a.request(node=node, rows=_width_of(a) * _ROWS_AT_ONCE)
        a.perform(request, OP_BUFFERS)
        yield request
        node = request.answer["node"]


def key_in(words: bytes) -> tuple[str, str]:
    """The key in the bytes of an entry of the directory, and what it is for.

    >>> key_in(b"it".ljust(47, b"\\0") + b"\\1")
    ('it', 'object')
    """
    kind = NAMESPACES[words[-1]] if words[-1] < len(NAMESPACES) else "unknown"
    return words[:-1].rstrip(b"\0").decode("ascii", "replace"), kind


def _kept_of(a: Attached) -> dict[tuple[int, int], tuple[str, int, float, str]]:
    """The directory: key, bytes, when it was kept, and as what, by node and generation."""
    width = 4 + KEY_WORDS
    found = {}
    entry = 1
    while entry:
        request = a.request(entry=entry, rows=width * _ROWS_AT_ONCE)
        a.perform(request, OP_ENTRIES)
        words = request.rows_view()
        for at in range(0, len(words), width):
            key, kind = key_in(words[at + 4 : at + width].tobytes())
            found[words[at], words[at + 1]] = key, words[at + 2], words[at + 3] / 1000, kind
        entry = request.answer["entry"]
    return found


class _Holders(dict[bytes, tuple[int, ...]]):
    """The slots of the processes that hold a buffer, by its words of holds."""

    def __init__(self, n_slots: int) -> None:
        self._n_slots = n_slots

    def __missing__(self, holds: bytes) -> tuple[int, ...]:
        words = memoryview(holds).cast("Q").tolist()
        slots = self[holds] = tuple(holders_in(words, self._n_slots))
        return slots


def holders_in(holds: list[int], n_slots: int) -> Iterator[int]:
    """Yield the slots of the processes that hold a buffer. Visits only set bits: holders are few."""
    slots = holds[0] & (1 << FIRST_WORD_SLOTS) - 2
    for i, word in enumerate(holds[1:]):
        slots |= word << FIRST_WORD_SLOTS + 64 * i
    slots &= (1 << n_slots) - 1
    while slots:
        lowest = slots & -slots
        yield lowest.bit_length() - 1
        slots ^= lowest
