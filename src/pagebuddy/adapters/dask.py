"""Dask: workers of one host pass arrays, data frames and tables through an arena.

    dask worker SCHEDULER --preload pagebuddy.adapters.dask
    LocalCluster(preload=["pagebuddy.adapters.dask"])

What a task returned is sent to the workers of the same arena as a handle: they share its memory, which
Dask's rule that tasks do not change their inputs allows. What is sent otherwise, as the arguments of
actors and the results that clients get, is copied into the arena once, and belongs to its receiver. All
others receive bytes, as without the preload. Importing this lets the clients of this process use the
arena too.
"""

from __future__ import annotations

import atexit
import fcntl
import mmap
import os
from contextlib import nullcontext, suppress
from contextvars import ContextVar
from functools import partial, wraps
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING, Any

try:
    import dask
    import distributed
    import numpy  # noqa: F401
except ImportError as error:
    raise ImportError(f"{error}; to install it: pip install 'pagebuddy[dask]'") from error
if tuple(map(int, distributed.__version__.split(".")[:2])) < (2025, 1):
    raise ImportError(
        f"distributed {distributed.__version__} is installed; pagebuddy.adapters.dask supports "
        "distributed 2025.1 and later: pip install 'pagebuddy[dask]'"
    )

from dask.utils import parse_bytes, parse_timedelta
from distributed import Client, Worker
from distributed.comm import CommClosedError
from distributed.protocol.serialize import families, register_serialization_family
from distributed.utils import ensure_memoryview

from pagebuddy.arena.arena import Arena
from pagebuddy.arena.fallbacks import Fallbacks
from pagebuddy.errors import ArenaNotFound, OutOfPages, OutOfTickets, StaleHandle
from pagebuddy.exchange.dumping import call_back
from pagebuddy.exchange.finder import Finder
from pagebuddy.memory import system

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["dask_setup", "dask_teardown", "fallbacks"]

fallbacks = Fallbacks("pagebuddy.adapters.dask")

_KEY = "pagebuddy"
_MOST_SLOTS = 1024
_MADV_DONTNEED = 4

# The handles that were made for the request for data that is being answered; None outside of one.
_handed: ContextVar[list[bytes] | None] = ContextVar("handed", default=None)


def _setting(name: str, default: Any) -> Any:
    value = dask.config.get(f"distributed.pagebuddy.{name}", None)
    return default if value is None else value


class _Member:
    """This process as a member of the arena: what it needs to send and to receive."""

    def __init__(self) -> None:
        name = _setting("arena", None)
        # An arena that the user has named is the user's.
        self._is_ours = name is None
        self.threshold = max(parse_bytes(_setting("threshold", "64 KiB")), 1)
        # By default the time after which Dask's scheduler gives up a worker that does not answer.
        self._life_s = parse_timedelta(_setting("expires", "5 minutes"))
        self.arena, self._presence = _joined(name or f"dask-{os.getuid()}")
        self._attachment = self.arena._open
        self.arena_id = f"{self._attachment.layout.arena_id:032x}"
        self.memory: Any = nullcontext()
        try:
            self.memory = self.arena.numpy_memory(self.threshold)
        except (ImportError, NotImplementedError) as error:
            fallbacks.count("no numpy_memory", f"{error}; results are copied when they are sent")
        # The servers and clients of this process, and what they say of this arena.
        self.nodes: dict[str, list[dict[str, Any]]] = {}
        self._next_forgetting = 0.0
        self._pid = os.getpid()

    def introduce(self, node_id: str, shares: bool) -> dict[str, Any]:
        """Return what a server or client says of the arena when it connects."""
        told = {_KEY: {"arena": self.arena_id, "shares": shares}}
        self.nodes.setdefault(node_id, []).append(told)
        return told

    def handle_of(self, frames: list[memoryview], shares: bool) -> bytes:
        """Return a handle of these bytes. Raises `OutOfPages` and `OutOfTickets`."""
        views = [self._placed(frame, shares) for frame in frames]
        return self.arena.dumps(tuple(views), expires=self._life_s)

    def _placed(self, raw: memoryview, shares: bool) -> memoryview:
        """Return a view of the arena with these bytes: them if the receiver shares them, else a copy.

        A small part is copied, as it would keep all of its buffer allocated.
        """
        a = self._attachment
        found = Finder(a).found(raw.obj, a.address_of(raw), len(raw)) if shares else None
        if found is not None and 2 * len(raw) >= found[0].nbytes:
            buffer, start = found
            view: memoryview = buffer.view[start : start + len(raw)]
        else:
            view = self.arena.alloc(len(raw)).view
            view[:] = raw
        return view.toreadonly() if raw.readonly else view

    def forget(self) -> None:
        """Unmap the pages of the arena that this process does not hold.

        The system counts all that a process has touched as its memory, also what others have by now.
        What is unmapped here comes back by a page fault.
        """
        start = monotonic()
        if start < self._next_forgetting:
            return
        base, size = self._attachment.extent
        me = self._attachment.figures["slot"]
        at = 0
        for row in [*self.arena.buffers()]:
            if me in row.holders:
                _unmap(base + at, base + row.offset)
                at = row.offset + row.n_pages * self.arena.page_size
        _unmap(base + at, base + size)
        now = monotonic()
        # At most a tenth of the time is spent here.
        self._next_forgetting = now + 10 * (now - start)

    def leave(self) -> None:
        """Remove the arena's name if no other process is a member, and say nothing of it any more."""
        for told in [told for each in self.nodes.values() for told in each]:
            told.pop(_KEY, None)
        if self._pid != os.getpid():
            # The lock is the parent's as well.
            return
        with suppress(OSError):
            fcntl.flock(self._presence, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._is_ours:
                self.arena.unlink()
        os.close(self._presence)


def _joined(name: str) -> tuple[Arena, int]:
    """Return an arena that exists or is made, and the descriptor of a lock that all members share.

    Who gets the lock alone is the last member.
    """
    while True:
        try:
            arena = Arena.attach(name)
        except ArenaNotFound:
            machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
            size = parse_bytes(_setting("size", machine // 2))
            slots = min(48 + 2 * (os.cpu_count() or 1), _MOST_SLOTS)
            arena = Arena.open(name, size, slots=slots)
        # A description of its own: closing it ends no lock of the arena's.
        presence = os.open(f"/proc/self/fd/{arena.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(presence, fcntl.LOCK_SH)
        if os.fstat(presence).st_nlink:
            return arena, presence
        # The last member has just removed the name.
        os.close(presence)
        arena.close()


def _unmap(start: int, end: int) -> None:
    first, end = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE, end // mmap.PAGESIZE * mmap.PAGESIZE
    if first < end:
        system.advise(first, end - first, _MADV_DONTNEED)


_member: _Member | None = None
_joining = RLock()


def dask_setup(node: Any) -> None:
    """Let a worker or client of this process use the arena. Called by Dask.

    Parameters
    ----------
    node : distributed.Worker or distributed.Client
        The worker or client. Others, as a scheduler, are left alone: they pass on what they do not
        read, and the receiver may be on another host.
    """
    global _member
    if not isinstance(node, Worker | Client):
        return
    with _joining:
        if _member is None:
            try:
                _member = _Member()
            except Exception as error:
                fallbacks.count("no arena", f"there is no arena: {error}; all is sent as bytes")
                return
        member = _member
        if node.id in member.nodes:
            return
        told = member.introduce(node.id, shares=isinstance(node, Worker))
        overrides = node.connection_args.setdefault("handshake_overrides", told)
        if overrides is not told:
            overrides.update(told)
            member.nodes[node.id].append(overrides)
    if isinstance(node, Worker):
        for listener in node.listeners:
            listener.on_connection = partial(listener.on_connection, handshake_overrides=told)
        node.handlers["get_data"] = _answering(node.handlers["get_data"])
        node.execute = _executing(node.execute)
        limit = node.memory_manager.memory_limit
        node.monitor.get_process_memory = _measuring(node.monitor.get_process_memory, limit)


def dask_teardown(node: Any) -> None:
    """Let a worker or client use the arena no longer; its last member removes it. Called by Dask.

    Parameters
    ----------
    node : distributed.Worker or distributed.Client
        What `dask_setup` was called with.
    """
    with _joining:
        if _member is not None and node.id in _member.nodes:
            del _member.nodes[node.id]
            if not _member.nodes:
                _leave()


def _leave() -> None:
    global _member
    with _joining:
        member, _member = _member, None
        if member is not None:
            member.leave()


def _answering(get_data: Callable[..., Any]) -> Callable[..., Any]:
    """Return a worker's `get_data` that sends handles, and ends them if its answer does not arrive."""

    @wraps(get_data)
    async def answered(comm: Any, *args: Any, **kwargs: Any) -> Any:
        handed: list[bytes] = []
        member, token = _member, _handed.set(handed)
        try:
            return await get_data(comm, *args, **kwargs)
        except BaseException:
            for handle in handed:
                with suppress(Exception):
                    call_back(member.arena._open, handle)  # type: ignore[union-attr]
            raise
        finally:
            _handed.reset(token)

    return answered


def _executing(execute: Callable[..., Any]) -> Callable[..., Any]:
    """Return a worker's `execute` that lets tasks make their arrays in the arena."""

    @wraps(execute)
    async def executed(*args: Any, **kwargs: Any) -> Any:
        member = _member
        # Dask runs the task in a thread, in a copy of this coroutine's context.
        with nullcontext() if member is None else member.memory:
            return await execute(*args, **kwargs)

    return executed


def _measuring(measure: Callable[[], int], limit: int | None) -> Callable[[], int]:
    """Return a monitor's `get_process_memory` that does not count what this process has dropped."""

    def measured() -> int:
        memory, member = measure(), _member
        if limit and memory > limit // 2 and member is not None:
            with suppress(Exception):
                member.forget()
                memory = measure()
        return memory

    return measured


def _with_handles(
    dumps: Callable[..., Any], loads: Callable[..., Any]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the two functions of a family of serializers, with handles in place of large frames."""

    def dumped(x: Any, context: Any = None) -> Any:
        there = ((context or {}).get("recipient") or {}).get(_KEY)
        member = _member
        if member is None or not there or there["arena"] != member.arena_id:
            return dumps(x, context=context)
        handed = _handed.get()
        shares = handed is not None and there["shares"]
        # Copies that numpy makes here are to be shared.
        with member.memory if shares else nullcontext():
            header, frames = dumps(x, context=context)
        views = [ensure_memoryview(frame) for frame in frames]
        large = [i for i, view in enumerate(views) if len(view) >= member.threshold]
        if not large:
            return header, frames
        try:
            handle = member.handle_of([views[i] for i in large], shares)
        except (OutOfPages, OutOfTickets) as error:
            fallbacks.count("full", f"{error}; the data are sent as bytes")
            return header, frames
        except Exception as error:
            fallbacks.count("unusable", f"{error}; all is sent as bytes from now on")
            _leave()
            return header, frames
        if handed is not None:
            handed.append(handle)
        small = [frame for i, frame in enumerate(frames) if i not in large]
        return {**header, _KEY: large}, [*small, handle]

    def loaded(header: Any, frames: Any) -> Any:
        if _KEY in header:
            *frames, handle = frames
            for i, view in zip(header[_KEY], _claimed(handle), strict=True):
                frames.insert(i, view)
        return loads(header, frames)

    return dumped, loaded


def _claimed(handle: Any) -> tuple[memoryview, ...]:
    """Return the bytes of a handle. Raises CommClosedError: Dask then requests the data again."""
    member = _member
    try:
        if member is None:
            raise StaleHandle("this process has left the arena")
        return member.arena.loads(handle)  # type: ignore[no-any-return]
    except Exception as error:
        fallbacks.count("lost", f"data did not arrive: {error}; they are requested again")
        if not isinstance(error, StaleHandle):
            _leave()
        raise CommClosedError(f"data did not arrive through the arena: {error}") from error


def _teach() -> None:
    """Let Dask's serializers, and the clients that this process has and will have, use the arena."""
    for name in ("dask", "pickle"):
        dumps, loads, _ = families[name]
        register_serialization_family(name, *_with_handles(dumps, loads))
    preloads = dask.config.get("distributed.client.preload", None) or []
    preloads = [preloads] if isinstance(preloads, str) else list(preloads)
    if __name__ not in preloads:
        dask.config.set({"distributed.client.preload": [*preloads, __name__]})
    for client in list(Client._instances):
        if client.status in ("connecting", "running"):
            dask_setup(client)
    # Of clients that were not closed, and of these here.
    atexit.register(_leave)


_teach()
