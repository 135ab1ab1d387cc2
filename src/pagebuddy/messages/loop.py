"""Awaiting the change of a ring in an asyncio event loop: one thread for each loop, for all rings.

What is awaited is only a notification. A coroutine announces that it will wait, tries what it wants,
awaits `changed` if that failed, and tries again. It takes a message in the loop's thread, between two
awaits, so a cancelled coroutine never has one.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
from array import array
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING

from pagebuddy.engine import ENGINE
from pagebuddy.sharing.words import R_PUTS, SLICE_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from pagebuddy.messages.channel import Channel

    # Whether a coroutine should try again, given whether the futex changed, how many others were woken
    # and did not yet try, and whether it is time to look for what the dead left.
    Due = Callable[[bool, int, bool], bool]

_SLICE = SLICE_MS / 1000
# In ms: when the futexes are looked at for which the system does not wait.
_PAUSE, _IDLE_PAUSE = 2, 20
# Longer than any loop runs, and not more than a timer can be told.
_TEN_YEARS = 3e8


async def changed(key: Hashable, channel: Channel, which: int, seen: int, due: Due) -> None:
    """Wait until a coroutine that announced its sleep at a futex of a ring should try again.

    Coroutines with one key wait for the same; those that came first are woken first.
    """
    loop = asyncio.get_running_loop()
    watcher = _watchers.get(loop)
    if watcher is None:
        watcher = _new_watcher(loop)
    await watcher.wait(loop.create_future(), key, channel, which, seen, due)


def drop(channel: Channel) -> None:
    """Wake all coroutines of this process that wait for a ring, and keep nothing of it."""
    for watcher in list(_watchers.values()):
        watcher.drop(channel)


class _Wait:
    """A coroutine that waits."""

    __slots__ = ("due", "future", "is_woken", "seen")

    def __init__(self, future: asyncio.Future[None], seen: int, due: Due) -> None:
        self.future = future
        self.seen = seen
        self.due = due
        self.is_woken = False


class _Group:
    """The coroutines that wait for the same: `waits`; and how many were woken, and did not yet try.

    Without coroutines it stays for a moment, because the next one usually comes soon. `seen` is the
    value of the futex with which the thread waits.
    """

    __slots__ = ("address", "channel", "is_unused", "n_woken", "seen", "waits", "which")

    def __init__(self, channel: Channel, which: int) -> None:
        self.channel = channel
        self.which = which
        self.address = channel.address(which)
        self.seen = -1
        self.waits: list[_Wait] = []
        self.n_woken = 0
        self.is_unused = False

    def is_over(self, is_tick: bool) -> bool:
        """Whether the thread need not wait for this any more."""
        if self.waits:
            return False
        is_changed = self.which == R_PUTS and self.channel.value(R_PUTS) != self.seen
        if is_changed and self.channel.n_ready() > self.n_woken:
            # The wake may have been meant for another process. This one must not get it again.
            self.channel.wake_next()
            return True
        was_unused = self.is_unused
        self.is_unused |= is_tick
        return is_tick and was_unused

    def look(self, is_tick: bool, is_running: bool) -> list[asyncio.Future[None]]:
        """Read the futex before the thread waits for it; return the futures that are due.

        While the loop is not running, its coroutines take nothing, and others must be woken as well.
        """
        channel, which = self.channel, self.which
        if is_tick:
            # Those that were woken may never come.
            self.n_woken = 0
        if not self.waits:
            # No flag: a message that comes while the loop is at work needs no wake.
            self.seen = channel.value(which)
            return []
        self.seen = channel.announce(which)
        due = []
        while self.waits:
            wait = self.waits[0]
            if not wait.due(wait.seen != self.seen, self.n_woken, is_tick):
                break
            del self.waits[0]
            wait.is_woken = is_running
            self.n_woken += is_running
            due.append(wait.future)
        if due and not is_running and which == R_PUTS:
            channel.wake_next()
        return due


class _Watcher:
    """What an event loop awaits of rings, and the thread that waits for it.

    The lock protects everything else. The thread ends when nothing was awaited for a moment, or the loop
    is closed; it refers to the loop only while a coroutine waits. `_asleep` has the keys of the groups
    for which the thread waits, or will wait before it looks again; None while it is awake.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        # Changed and woken when the thread is to look again.
        self._word = array("I", [0])
        self._address = self._word.buffer_info()[0]
        self._is_closed = False
        # An object's finalizer can close a queue at any moment, also in a method of this class.
        self._lock = threading.RLock()
        self._groups: dict[Hashable, _Group] = {}
        self._asleep: set[Hashable] | None = None
        self._thread: threading.Thread | None = None

    def forget_thread(self) -> list[asyncio.Future[None]]:
        """Start anew, because there is no thread any more; return the futures that wait."""
        groups, self._groups = self._groups, {}
        self._asleep = self._thread = None
        return [wait.future for group in groups.values() for wait in group.waits]

    def begin_child(self) -> None:
        """After a fork, in the child: let coroutines look again, and so start a thread of the child."""
        self._lock = threading.RLock()
        # If the loop was running, it never will in the child.
        with suppress(Exception):
            _set_results(self.forget_thread())

    async def wait(
        self,
        future: asyncio.Future[None],
        key: Hashable,
        channel: Channel,
        which: int,
        seen: int,
        due: Due,
    ) -> None:
        """Await a future that the thread resolves."""
        wait = _Wait(future, seen, due)
        with self._lock:
            # The groups that were used last come last.
            group = self._groups.pop(key, None) or _Group(channel, which)
            self._groups[key] = group
            group.is_unused = False
            group.waits.append(wait)
            if self._thread is None:
                self._start()
            elif self._asleep is not None and (key not in self._asleep or group.seen != seen):
                self._kick()
        try:
            await future
        finally:
            with self._lock:
                if wait.is_woken:
                    group.n_woken -= group.n_woken > 0
                elif wait in group.waits:
                    group.waits.remove(wait)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="pagebuddy-loop", daemon=True)
        try:
            self._thread.start()
        except BaseException:
            self._thread = None
            raise

    def _kick(self) -> None:
        """Let the thread look again."""
        self._word[0] = (self._word[0] + 1) & 0xFFFF_FFFF
        ENGINE.wake_at(self._address)

    def drop(self, channel: Channel) -> None:
        """Wake all who wait for a ring, and keep nothing of it."""
        with self._lock:
            groups = [(key, each) for key, each in self._groups.items() if each.channel is channel]
            for key, _ in groups:
                del self._groups[key]
            if groups and self._asleep is not None:
                self._kick()
        self._resolve([wait.future for _, group in groups for wait in group.waits])

    def end(self) -> None:
        """End the thread, because the loop is closed or gone."""
        self._is_closed = True
        self._kick()
        thread, loop = self._thread, self._loop()
        if loop is None or not loop.is_closed():
            # The collector runs this, in any thread, which may own a lock that ours needs.
            return
        if thread is not None and thread is not threading.current_thread():
            thread.join(1)

    # -- the thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        tick = time.monotonic() + _SLICE
        try:
            while True:
                now = time.monotonic()
                is_tick = now >= tick
                if is_tick:
                    tick = now + _SLICE
                futexes = self._futexes(is_tick)
                if futexes is None:
                    return
                addresses, seen, is_busy = futexes
                milliseconds = int((tick - now) * 1000) + 1
                ENGINE.wait_for_any(
                    addresses, seen, milliseconds, _PAUSE if is_busy else _IDLE_PAUSE
                )
                self._asleep = None
        finally:
            with self._lock:
                if self._thread is threading.current_thread():
                    self._resolve(self.forget_thread())

    def _futexes(self, is_tick: bool) -> tuple[list[int], list[int], bool] | None:
        """Wake who is due; return futexes, their values, and whether anybody was. None: end."""
        addresses, seen = [self._address], [self._word[0]]
        loop = self._loop()
        is_running = loop is not None and loop.is_running()
        # The thread keeps no loop alive.
        del loop
        with self._lock:
            due = []
            for key, group in list(self._groups.items()):
                if group.is_over(is_tick):
                    del self._groups[key]
                else:
                    due += group.look(is_tick, is_running)
            if not self._resolve(due) or self._is_closed or not self._groups:
                return None
            self._asleep = set(self._groups)
            # Those that were used last come first: the system may not wait for all.
            for group in reversed(self._groups.values()):
                addresses.append(group.address)
                seen.append(group.seen)
            return addresses, seen, bool(due)

    def _resolve(self, futures: list[asyncio.Future[None]]) -> bool:
        """Let coroutines go on; False if the loop is closed."""
        loop = self._loop()
        if loop is None or loop.is_closed():
            return False
        if futures:
            try:
                loop.call_soon_threadsafe(_set_results, futures)
            except RuntimeError:
                return False
        return True


def _set_results(futures: Iterable[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


class _End:
    """Belongs to an event loop alone, which destroys it when the loop is closed."""

    def __init__(self, watcher: _Watcher) -> None:
        self._watcher = watcher

    def __call__(self) -> None:
        """Do nothing."""

    def __del__(self) -> None:
        self._watcher.end()


def _new_watcher(loop: asyncio.AbstractEventLoop) -> _Watcher:
    watcher = _watchers[loop] = _Watcher(loop)
    # A loop tells nobody that it is closed, but then it drops its timers.
    loop.call_later(_TEN_YEARS, _End(watcher), context=Context())
    return watcher


_watchers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Watcher] = (
    weakref.WeakKeyDictionary()
)


def _begin_child() -> None:
    for watcher in list(_watchers.values()):
        watcher.begin_child()


os.register_at_fork(after_in_child=_begin_child)
