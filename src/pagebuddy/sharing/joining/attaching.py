"""Making an arena, and attaching to one: how a process comes to have a slot in it."""

from __future__ import annotations

import mmap
import os
import sys
from contextlib import contextmanager
from traceback import clear_frames
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from pagebuddy.core.words import N_HEADS
from pagebuddy.errors import ArenaNotFound, OutOfSlots
from pagebuddy.memory.given import Given
from pagebuddy.sharing.forking.gate import GATE
from pagebuddy.sharing.joining.backing import words_of_granules
from pagebuddy.sharing.joining.failures import cut_off
from pagebuddy.sharing.joining.first_touch import first_touched
from pagebuddy.sharing.layout import WORD, Layout
from pagebuddy.sharing.system import lease
from pagebuddy.sharing.system.process import describe, now, pid_namespace
from pagebuddy.sharing.words import (
    A_BUSY,
    A_CHECKSUM,
    A_NAMESPACE_DEVICE,
    A_NAMESPACE_INODE,
    A_POISONED,
    A_TOUCHED,
    ARENA_WORDS,
    LOCK_FILE,
    LOCK_MUTEX,
    LOCK_NONE,
    NO_PAGES,
    OP_ATTACH,
    OP_REAP,
    SLOT_STATE,
    SLOT_WORDS,
    is_live_slot,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from pagebuddy.memory.medium import Medium

# How long to wait for another that attaches, in seconds: it may have been stopped.
ATTACH_PATIENCE_S = 10.0

# The arenas that this process is attached to, by engine, device and inode.
_ATTACHED: WeakValueDictionary[tuple[str, int, int], Any] = WeakValueDictionary()

# The same by what handles tell: the arena's id, and how it is found. Of two such the later.
_TOLD: WeakValueDictionary[tuple[int, str], Any] = WeakValueDictionary()

# Those that a handle made this process attach to.
_KEPT: set[Any] = set()

_engine: list[ModuleType] = []


def lock_word(engine: ModuleType, lock: object) -> int:
    """Return the lock of a new shared arena as a word: its kind, and for a mutex whose it is.

    None means the best there is. Raises TypeError and ValueError.
    """
    mutex: int = engine.mutex_of_this_build()
    if lock is None:
        lock = "mutex" if mutex else "file"
    if not isinstance(lock, str):
        raise TypeError(f"lock is {lock!r}; it must be 'mutex' or 'file'")
    if lock == "file":
        return LOCK_FILE
    if lock != "mutex":
        raise ValueError(f"lock is {lock!r}; it must be 'mutex' or 'file'")
    if not mutex:
        raise ValueError(
            "lock is 'mutex', which only the compiled engine on Linux has; say lock='file'"
        )
    return mutex << 32 | LOCK_MUTEX


def make(engine: ModuleType, layout: Layout, medium: Medium) -> Any:
    """Make an arena in a medium that nobody else sees yet, attach to it, and publish it.

    Raises `ArenaExists` where its name is taken, `OutOfPages` where its file system has no room for its
    tables' first pages. Returns the engine's `Attachment`.
    """
    with _let_go_if_it_fails(medium):
        return _made(engine, layout, medium)


def _made(engine: ModuleType, layout: Layout, medium: Medium) -> Any:
    with GATE:
        medium.back(first_touched(layout))
        a = adopted(engine, layout, medium)
        words = a.memory
        words[: A_CHECKSUM + 1] = memoryview(layout.header())
        layout.geometry.write(a.words_of_engine())
        a.lay_out()
        # What a caller's memory held before is not zero.
        words[A_TOUCHED] = N_HEADS if medium.shared else N_HEADS + layout.n_pages
        if a.locks_by(LOCK_NONE):
            words[layout.slots_at + SLOT_WORDS + SLOT_STATE] = 1 << 63
            a.be(1)
            a.mind_forks()
        else:
            _renew_lock(engine, a)
            words[A_BUSY] = 0
            _take_slot(a)
            _remember(engine, medium, a)
        medium.publish()
        return a


def attach(engine: ModuleType, medium: Medium) -> Any:
    """Attach to the arena in a medium; return the engine's `Attachment`.

    One that this process is attached to already is returned again. Raises `CorruptMetadata` for what is
    no sound arena, `OutOfSlots`, TimeoutError where another has been attaching for ten seconds, and
    ValueError for an arena that this process cannot serve itself from.
    """
    with _let_go_if_it_fails(medium):
        return _attached(engine, medium)


def _attached(engine: ModuleType, medium: Medium) -> Any:
    with GATE:
        known = _ATTACHED.get(_key(engine, medium))
        if known is not None and not known.is_ending():
            if known.medium.is_cut():
                raise cut_off()
            return known
        layout = Layout.read(_header(medium), medium.size)
        _check_engine(engine, layout)
        with lease.attaching(medium.fileno(), ATTACH_PATIENCE_S):
            if not medium.is_linked():
                raise ArenaNotFound("the arena was unlinked just now; look for its name again")
            a = adopted(engine, layout, medium)
            if lease.any_is_taken(medium.fileno(), layout.n_slots):
                _check_namespace(a)
            else:
                _renew(engine, a)
            _take_slot(a)
        _remember(engine, medium, a)
        return a


def place_of(a: Any) -> str:
    """Return how others find the arena, as handles tell it."""
    kind = getattr(a.medium, "FOUND_BY", "-")
    return "-" if kind == "-" else kind + a.medium.place


def attach_place(place: str) -> Any:
    """Attach to the arena that is found so, by the engine in use."""
    from pagebuddy.memory.file import File
    from pagebuddy.memory.named import Named

    medium = Named.open(place[1:]) if place[:1] == Named.FOUND_BY else File.open(place[1:])
    return attach(_engine[0], medium)


def is_nowhere(place: str) -> bool:
    """Whether nothing is found there: what was there has been moved, or unlinked."""
    from pagebuddy.memory.named import Named, path_of

    return not os.path.lexists(path_of(place[1:]) if place[:1] == Named.FOUND_BY else place[1:])


def known_by_id(arena_id: int, place: str | None = None) -> Any:
    """Return this process's attachment to the arena of that id, at that place if it is told, or None.

    A copied file has the id of the one that it was copied from.
    """
    if place is not None:
        told = _TOLD.get((arena_id, place))
        if told is not None and not told.is_ending():
            return told
    # In one step, as other threads attach: an iterator of these would mind.
    for reference in _ATTACHED.valuerefs():
        a: Any = reference()
        known = a is not None and a.layout.arena_id == arena_id and not a.is_ending()
        if known and place in (None, place_of(a)):
            return a
    return None


def keep_attached(a: Any) -> None:
    """Stay attached though no object of the caller's says so."""
    _KEPT.add(a)


def let_go(a: Any) -> None:
    """Stay attached only as long as something of the arena is in use."""
    _KEPT.discard(a)


def use_engine(engine: ModuleType) -> None:
    """Attach with this engine where the caller does not say which."""
    _engine[:] = [engine]


def over(engine: ModuleType, memory: Any, page_size: object, max_order: object) -> Any:
    """Make an arena in memory of the caller's, for this process alone."""
    medium = Given(memory)
    with _let_go_if_it_fails(medium):
        layout = Layout.within(medium.size, page_size=page_size, max_order=max_order)
    # The tables start out zero, whatever lay there.
    medium.memory[: layout.data_at] = bytes(layout.data_at)
    return make(engine, layout, medium)


@contextmanager
def _let_go_if_it_fails(medium: Medium) -> Iterator[None]:
    """Let go of a medium when the block raises, whoever keeps the error: its traceback has frames."""
    try:
        yield
    except BaseException as error:
        # An attachment that one of them has ends while its medium is open.
        clear_frames(error.__traceback__)
        medium.close()
        raise


def adopted(engine: ModuleType, layout: Layout, medium: Medium) -> Any:
    """The engine's object for an arena, without a slot yet."""
    n_bytes = -(-layout.n_pages * WORD // mmap.PAGESIZE) * mmap.PAGESIZE
    local = memoryview(mmap.mmap(-1, n_bytes, **_PRIVATE)).cast("Q")
    a = engine.Attachment(layout, medium, local)
    if a.locks_by(LOCK_FILE):
        a.lock_through(os.open(f"/proc/self/fd/{medium.fileno()}", os.O_RDWR | os.O_CLOEXEC))
    if medium.limited:
        n_words = words_of_granules(layout)
        bits = mmap.mmap(-1, (2 * n_words + layout.n_pages // 64 + 1) * WORD, **_PRIVATE)
        a.mind_holes(memoryview(bits).cast("Q"), n_words)
    return a


# Untouched, a word a page costs nothing; a forked child has its own.
_PRIVATE: dict[str, Any] = (
    {}
    if sys.platform == "win32"
    else {
        "flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0),
    }
)


def _header(medium: Medium) -> Any:
    if medium.size < ARENA_WORDS * WORD:
        return ()
    return medium.memory[: ARENA_WORDS * WORD].cast("Q").tolist()


def _key(engine: ModuleType, medium: Any) -> tuple[str, int, int]:
    return engine.__name__, *medium.identity


def _remember(engine: ModuleType, medium: Any, a: Any) -> None:
    _ATTACHED[_key(engine, medium)] = a
    _TOLD[a.layout.arena_id, place_of(a)] = a


def _check_engine(engine: ModuleType, layout: Layout) -> None:
    """Refuse an arena whose lock this process does not have."""
    kind = layout.lock & 0xFFFF_FFFF
    if kind == LOCK_NONE:
        raise ValueError(
            "this arena serves the one process that made it: where that ran, the system has no locks "
            "that tell who is alive"
        )
    if kind != LOCK_MUTEX:
        return
    mutex = engine.mutex_of_this_build()
    if not mutex:
        raise ValueError(
            "this arena is locked by a mutex, which only the compiled engine has; compile it, or make "
            "the arena with lock='file'"
        )
    if mutex != layout.lock >> 32:
        raise ValueError(
            "this arena is locked by the mutex of another C library or another kind of machine; make it "
            "with lock='file' for both to use"
        )


def _check_namespace(a: Any) -> None:
    """Refuse another pid namespace: there the same numbers stand for other threads."""
    there = a.memory[A_NAMESPACE_DEVICE], a.memory[A_NAMESPACE_INODE]
    if a.locks_by(LOCK_MUTEX) and there != pid_namespace():
        raise ValueError(
            "this arena's mutex serves another pid namespace (a container, perhaps), where the same "
            "numbers stand for other threads; make the arena with lock='file' for both to use"
        )


def _renew(engine: ModuleType, a: Any) -> None:
    """Begin anew with an arena that nobody uses, after a crash or a restart of the machine."""
    _renew_lock(engine, a)
    a.memory[A_POISONED] = 0
    # Whoever was at work last may have died there: the first operation takes over.
    a.memory[A_BUSY] = 1 << 32 | OP_ATTACH
    if getattr(a.medium, "outlasts_power", False):
        a.memory[A_TOUCHED] = N_HEADS + a.layout.n_pages


def _renew_lock(engine: ModuleType, a: Any) -> None:
    if a.locks_by(LOCK_MUTEX):
        engine.make_mutex(a.memory)
        a.memory[A_NAMESPACE_DEVICE], a.memory[A_NAMESPACE_INODE] = pid_namespace()


def _take_slot(a: Any) -> None:
    """Have a slot: its lease first, then its state."""
    for _ in range(2):
        for slot in range(1, a.layout.n_slots):
            at = a.layout.slots_at + slot * SLOT_WORDS
            if is_live_slot(a.memory[at + SLOT_STATE]):
                continue
            if not a.take_lease(slot):
                continue
            asked = a.request(slot=slot, now_ms=now())
            try:
                answer = a.perform(asked, OP_ATTACH, ATTACH_PATIENCE_S)
            except BaseException:
                a.drop_lease()
                raise
            if answer == NO_PAGES:
                a.drop_lease()
                continue
            a.be(slot)
            a.mind_forks()
            describe(a.memory[at : at + SLOT_WORDS])
            return
        a.perform(a.request(), OP_REAP, ATTACH_PATIENCE_S)
    raise OutOfSlots(
        f"the arena has slots for {a.layout.n_slots - 1} processes, and all are taken; end some, or "
        "make the arena with more: slots=112, 176 and so on"
    )
