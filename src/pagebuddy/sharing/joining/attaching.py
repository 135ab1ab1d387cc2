"""Creating an arena and attaching to one: how a process gets a slot in it."""

from __future__ import annotations

import mmap
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, cast

from pagebuddy.core.words import FIRST_NODE
from pagebuddy.errors import ArenaNotFound, OutOfSlots
from pagebuddy.memory.given import Given
from pagebuddy.sharing.joining.backing import words_of_granules
from pagebuddy.sharing.joining.failures import cut_off
from pagebuddy.sharing.joining.first_touch import first_touched
from pagebuddy.sharing.joining.telling import tell
from pagebuddy.sharing.layout import WORD, Layout
from pagebuddy.sharing.process_state import current
from pagebuddy.sharing.system import lease
from pagebuddy.sharing.system.clock import clock_ms
from pagebuddy.sharing.system.descriptors import look_again
from pagebuddy.sharing.system.process import describe, pid_namespace
from pagebuddy.sharing.words import (
    A_BOOTS,
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
    from collections.abc import Iterator, Sequence
    from typing import Any

    from pagebuddy.memory.file import File
    from pagebuddy.memory.mapped import Mapped
    from pagebuddy.memory.medium import Medium
    from pagebuddy.memory.named import Named
    from pagebuddy.sharing.attached import Attached, Engine

# How long to wait for a process that attaches; it may be stopped.
ATTACH_PATIENCE_S = 10.0


def lock_word(engine: Engine, lock: object) -> int:
    """Return the word for the lock of a new shared arena: its kind, and for a mutex which one.

    None means a mutex if this engine has one. Raises TypeError and ValueError.
    """
    mutex = engine.mutex_of_this_build()
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
            "lock is 'mutex', which only the compiled engine on Linux supports; use lock='file'"
        )
    return mutex << 32 | LOCK_MUTEX


def make(engine: Engine, layout: Layout, medium: Medium) -> Attached:
    """Create an arena in a medium that no other process sees yet, attach it, and publish it.

    Raises `ArenaExists` if its name is taken, `OutOfPages` if its file system has no room for the first
    pages of its tables.
    """
    with _let_go_if_it_fails(medium):
        return _made(engine, layout, medium)


def _made(engine: Engine, layout: Layout, medium: Medium) -> Attached:
    with current().fork_gate:
        medium.back(first_touched(layout))
        a = adopted(engine, layout, medium)
        words = a.memory
        words[: A_CHECKSUM + 1] = memoryview(layout.header())
        layout.geometry.write(a.words_of_engine())
        a.lay_out()
        # Memory of the caller's need not be zero.
        words[A_TOUCHED] = FIRST_NODE if medium.shared else FIRST_NODE + layout.n_pages
        if a.locks_by(LOCK_NONE):
            words[layout.slots_at + SLOT_WORDS + SLOT_STATE] = 1 << 63
            a.be(1)
            a.mind_forks()
        else:
            _renew_lock(engine, a)
            words[A_BUSY] = 0
            _take_slot(a)
            _remember(engine, cast("Mapped", medium), a)
        medium.publish()
        return a


def attach(engine: Engine, medium: Mapped, readonly: bool | None = None) -> Attached:
    """Attach the arena in a medium. If this process has it attached already, return that attachment.

    If `readonly`, the pages are only read; None means as they are attached already, else writable.
    Raises ValueError if they are attached otherwise, or if this process cannot use the arena's lock;
    `CorruptMetadata` if it is not an arena; `OutOfSlots`; TimeoutError if another process has been
    attaching for ten seconds.
    """
    with _let_go_if_it_fails(medium):
        a = _attached(engine, medium, readonly)
    # It reaped the dead.
    tell(a)
    return a


def _attached(engine: Engine, medium: Mapped, readonly: bool | None) -> Attached:
    state = current()
    with state.fork_gate:
        known = state.attached.get(_key(engine, medium))
        if known is not None and not known.is_ending():
            if known.medium.is_cut():
                raise cut_off()
            if readonly not in (None, known.is_readonly):
                raise _attached_otherwise(known.is_readonly)
            _improve(known, medium)
            return known
        layout = Layout.read(_header(medium), medium.size)
        _check_engine(engine, layout)
        with lease.attaching(medium.fileno(), ATTACH_PATIENCE_S):
            if not medium.is_linked():
                raise ArenaNotFound("the arena was unlinked while it was opened; attach it again")
            a = adopted(engine, layout, medium)
            if readonly:
                medium.protect(layout.data_at)
                a.read_only()
            if lease.any_is_taken(medium.fileno(), layout.n_slots):
                _check_namespace(a)
            else:
                _renew(engine, a)
            _take_slot(a)
        _remember(engine, medium, a)
        return a


def _attached_otherwise(readonly: bool) -> ValueError:
    has, asks = ("read-only", "writable") if readonly else ("writable", "read-only")
    return ValueError(
        f"this process has attached the arena {has} already, and cannot attach it {asks} as well; use "
        f"readonly={readonly}, or first close the arena and drop all its buffers and arrays"
    )


def _improve(known: Attached, medium: Mapped) -> None:
    """Let what was attached by descriptor be found by the place by which it was opened now."""
    before = cast("Mapped", known.medium)
    if not before.place and medium.leads_here():
        medium.take_over(before)
        known.use_medium(medium)
        current().by_handle[known.layout.arena_id, place_of(known)] = known


def look_again_before_fork() -> None:
    """Open files again whose descriptors the program closed: a child's lease is taken by them."""
    for reference in current().attached.valuerefs():
        a = reference()
        if a is not None and not a.is_ending():
            look_again(a)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=look_again_before_fork)


def place_of(a: Attached) -> str:
    """Return where other processes find the arena, as handles contain it; "-" for nowhere."""
    kind: str = getattr(a.medium, "FOUND_BY", "-")
    return "-" if kind == "-" else kind + cast("File | Named", a.medium).place


def attach_place(place: str, readonly: bool | None = None) -> Attached:
    """Attach the arena at a place, by the engine in use; see `attach`."""
    from pagebuddy.memory.file import File
    from pagebuddy.memory.named import Named

    return attach_medium(
        Named.open(place[1:]) if place[:1] == Named.FOUND_BY else File.open(place[1:]), readonly
    )


def attach_medium(medium: Mapped, readonly: bool | None = None) -> Attached:
    """Attach the arena in a medium, by the engine in use."""
    engine = current().engine
    if engine is None:
        raise RuntimeError("no engine is in use yet; import pagebuddy first")
    return attach(engine, medium, readonly)


def is_nowhere(place: str) -> bool:
    """Whether there is nothing at a place: the arena was moved or unlinked."""
    from pagebuddy.memory.named import Named, path_of

    return not os.path.lexists(path_of(place[1:]) if place[:1] == Named.FOUND_BY else place[1:])


def known_by_id(arena_id: int, place: str | None = None) -> Attached | None:
    """Return this process's attachment to the arena with an id, at a place if given, or None.

    A copy of a file has the same id.
    """
    state = current()
    if place is not None:
        known = state.by_handle.get((arena_id, place))
        if known is not None and not known.is_ending():
            return known
    # A list, made in one step: an iterator would fail when another thread attaches.
    for reference in state.attached.valuerefs():
        a = reference()
        if a is None or a.layout.arena_id != arena_id or a.is_ending():
            continue
        if place in (None, place_of(a)):
            return a
    return None


def keep_attached(a: Attached) -> None:
    """Stay attached even if no object of the caller refers to the arena."""
    current().kept.add(a)


def let_go(a: Attached) -> None:
    """Stay attached only as long as an object refers to the arena."""
    current().kept.discard(a)


def use_engine(engine: Engine) -> None:
    """Attach with this engine if the caller does not name one."""
    current().engine = engine


def over(
    engine: Engine, memory: Any, page_size: object, max_order: object, keys: object
) -> Attached:
    """Create an arena in memory of the caller's, for this process only."""
    medium = Given(memory)
    with _let_go_if_it_fails(medium):
        layout = Layout.within(medium.size, page_size=page_size, max_order=max_order, keys=keys)
    # The tables must be zero at first.
    medium.memory[: layout.data_at] = bytes(layout.data_at)
    return make(engine, layout, medium)


@contextmanager
def _let_go_if_it_fails(medium: Medium) -> Iterator[None]:
    """Close a medium if the block raises, even if the caller keeps the error and so its frames."""
    try:
        yield
    except BaseException as error:
        # So that an attachment in a frame ends first, while its medium is open. Not by `traceback`: its
        # import would fail if no descriptor is left.
        trace = error.__traceback__
        while trace is not None:
            with suppress(RuntimeError):
                trace.tb_frame.clear()
            trace = trace.tb_next
        medium.close()
        raise


def adopted(engine: Engine, layout: Layout, medium: Medium) -> Attached:
    """Return the engine's attachment to an arena, without a slot yet."""
    n_bytes = -(-layout.n_local_words * WORD // mmap.PAGESIZE) * mmap.PAGESIZE
    local = memoryview(mmap.mmap(-1, n_bytes, **_PRIVATE)).cast("Q")
    a = engine.Attachment(layout, medium, local)
    if a.locks_by(LOCK_FILE):
        a.lock_through(lease.opened_again(medium.fileno()))
    if medium.limited:
        n_words = words_of_granules(layout)
        bits = mmap.mmap(-1, (2 * n_words + layout.n_pages // 64 + 1) * WORD, **_PRIVATE)
        a.mind_holes(memoryview(bits).cast("Q"), n_words)
    return a


# Pages that are never touched cost nothing; a forked child has its own copy.
_PRIVATE: dict[str, Any] = (
    {}
    if sys.platform == "win32"
    else {
        "flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0),
    }
)


def _header(medium: Medium) -> Sequence[int]:
    if medium.size < ARENA_WORDS * WORD:
        return ()
    return medium.memory[: ARENA_WORDS * WORD].cast("Q").tolist()


def _key(engine: Engine, medium: Mapped) -> tuple[str, int, int]:
    return engine.__name__, *medium.identity


def _remember(engine: Engine, medium: Mapped, a: Attached) -> None:
    state = current()
    state.attached[_key(engine, medium)] = a
    state.by_handle[a.layout.arena_id, place_of(a)] = a


def _check_engine(engine: Engine, layout: Layout) -> None:
    """Raise ValueError if this engine cannot use the arena's lock."""
    kind = layout.lock & 0xFFFF_FFFF
    if kind == LOCK_NONE:
        raise ValueError(
            "this arena was created for one process only; to share one, create it by name, as a file, "
            "or anonymously, on Linux"
        )
    if kind != LOCK_MUTEX:
        return
    mutex = engine.mutex_of_this_build()
    if not mutex:
        raise ValueError(
            "this arena's lock is a mutex, which only the compiled engine supports; compile the engine, "
            "or create the arena with lock='file'"
        )
    if mutex != layout.lock >> 32:
        raise ValueError(
            "this arena's lock is a mutex of another C library or another kind of machine; create the "
            "arena with lock='file', so that both can use it"
        )


def _check_namespace(a: Attached) -> None:
    """Raise ValueError in another pid namespace: a mutex works by thread ids, which differ there."""
    there = a.memory[A_NAMESPACE_DEVICE], a.memory[A_NAMESPACE_INODE]
    if a.locks_by(LOCK_MUTEX) and there != pid_namespace():
        raise ValueError(
            "this arena's lock is a mutex of another pid namespace, such as a container, and works only "
            "there; create the arena with lock='file', so that both can use it"
        )


def _renew(engine: Engine, a: Attached) -> None:
    """Prepare an arena that no process uses, perhaps after a crash or a restart of the machine."""
    _renew_lock(engine, a)
    # Mutexes of rings are made again before they are used.
    a.memory[A_BOOTS] += 1
    a.memory[A_POISONED] = 0
    # The last process may have died inside an operation: the first operation takes over.
    a.memory[A_BUSY] = 1 << 32 | OP_ATTACH
    if getattr(a.medium, "outlasts_power", False):
        a.memory[A_TOUCHED] = FIRST_NODE + a.layout.n_pages


def _renew_lock(engine: Engine, a: Attached) -> None:
    if a.locks_by(LOCK_MUTEX):
        engine.make_mutex(a.memory)
        a.memory[A_NAMESPACE_DEVICE], a.memory[A_NAMESPACE_INODE] = pid_namespace()


def _has_taken_lease(a: Attached, slot: int) -> bool:
    """Take the lease of a slot; False if a process has it. Raises OSError, which says why."""
    try:
        return a.take_lease(slot)
    except InterruptedError:
        # Raised by a signal handler, not by the system.
        raise
    except OSError as error:
        raise lease.refused(error, a.fileno()) from error


def _take_slot(a: Attached) -> None:
    """Take a slot: its lease first, then its state."""
    for _ in range(2):
        for slot in range(1, a.layout.n_slots):
            at = a.layout.slots_at + slot * SLOT_WORDS
            if is_live_slot(a.memory[at + SLOT_STATE]):
                continue
            if not _has_taken_lease(a, slot):
                continue
            asked = a.request(slot=slot, now_ms=clock_ms())
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
        f"the arena has slots for {a.layout.n_slots - 1} processes, and all are taken; end some "
        "processes, or create the arena with more slots: slots=112, 176 and so on"
    )
