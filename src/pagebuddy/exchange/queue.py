"""ArenaQueue: objects from any process to any other, their bytes staying in the arena."""

from __future__ import annotations

import math
import select
import socket
import time
from queue import Empty, Full
from typing import Any

from pagebuddy.exchange.cargo import SMALL
from pagebuddy.exchange.delivery import load
from pagebuddy.exchange.dumping import call_back, dump
from pagebuddy.sharing.joining import failures

# More than any message: one that is longer than `SMALL` is a handle, with at most a path in it.
_MOST_RECEIVED = 1 << 16

# In seconds; the system takes no more than 24 days.
_LONGEST_WAIT = 1 << 20

# Plain numbers: a flag of an enumeration is looked up at every call.
_AT_ONCE = int(socket.MSG_DONTWAIT)


class ArenaQueue:
    """A queue that any number of processes and threads put into and get from; `Arena.queue` makes one.

    It is a pair of sockets that keeps messages whole. What the system has of them is the only state:
    there is no lock, so a process that is killed at any moment takes along the message that it had in
    hand, and nothing else. Messages of more than 4 KiB lie in the arena, so all are short.

    It travels to another process as an argument, when that is started, by any start method. Each process
    has both ends, so `get` does not see that all who put are gone: send something that says the end.

    >>> from pagebuddy import Arena
    >>> queue = Arena("1 MiB").queue()
    >>> queue.put("hello")
    >>> queue.get()
    'hello'
    >>> queue.close()
    """

    def __init__(self, arena: Any) -> None:
        arena._open  # noqa: B018
        self._begin(arena, *socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))

    def _begin(self, arena: Any, entrance: socket.socket, exit_: socket.socket) -> None:
        self._arena = arena
        self._entrance = entrance
        self._exit = exit_
        for end in entrance, exit_:
            # Else it would be what `socket.setdefaulttimeout` says.
            end.settimeout(None)

    def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put an object in, as `arena.dumps` takes it.

        The system takes in a few hundred messages; where it has no room this waits, `timeout` seconds at
        most. Raises `queue.Full`, what `dumps` raises, and ValueError for a queue that was closed. Then
        nothing is sent, and nothing of it stays. Cost: that of `dumps` and a system call.

        >>> from pagebuddy import Arena
        >>> queue = Arena("1 MiB").queue()
        >>> queue.put({"frame": 7})
        >>> queue.get()
        {'frame': 7}
        >>> queue.close()
        """
        end = None if block and timeout is None else _end(block, timeout)
        self._check()
        data = dump(self._arena, obj, most=SMALL)
        while not self._sends(data):
            try:
                ready = _waited(self._entrance, select.POLLOUT, end)
            except BaseException:
                call_back(self._arena._open, data)
                raise
            if ready:
                continue
            # The system calls it ready when three quarters of the room are free, and takes more.
            if self._sends(data):
                return
            call_back(self._arena._open, data)
            raise Full

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the next object out, as `arena.loads` gives it.

        Where there is none this waits, `timeout` seconds at most. Raises `queue.Empty`, what `loads`
        raises, and ValueError for a queue that was closed. Cost: that of `loads` and a system call.

        >>> from pagebuddy import Arena
        >>> with Arena("1 MiB").queue() as queue:
        ...     queue.get(timeout=0.01)
        Traceback (most recent call last):
            ...
        _queue.Empty
        """
        end = None if block and timeout is None else _end(block, timeout)
        self._check()
        a = self._arena._open
        while True:
            try:
                # Without an end the system waits, and no one asks it twice.
                data = self._exit.recv(_MOST_RECEIVED, 0 if end is None else _AT_ONCE)
            except BlockingIOError:
                if not _waited(self._exit, select.POLLIN, end):
                    raise Empty from None
                continue
            return load(a, data)

    def put_nowait(self, obj: Any) -> None:
        """`put` without waiting: raises `queue.Full` where there is no room."""
        self.put(obj, block=False)

    def get_nowait(self) -> Any:
        """`get` without waiting: raises `queue.Empty` where there is nothing."""
        return self.get(block=False)

    def empty(self) -> bool:
        """Whether there was nothing to get at that moment."""
        self._check()
        return not _waited(self._exit, select.POLLIN, 0.0)

    def close(self) -> None:
        """Refuse further use here. Other processes go on; what is in the queue is lost with the last.

        Nobody is to wait in `put` or `get` of the same object meanwhile.
        """
        self._entrance.close()
        self._exit.close()

    @property
    def closed(self) -> bool:
        """Whether this object was closed."""
        return self._exit.fileno() < 0

    def _check(self) -> None:
        if self._exit.fileno() < 0:
            raise ValueError("this queue was closed; make another by arena.queue()")

    def _sends(self, data: bytes) -> bool:
        """Whether there was room for a message, which is on its way then."""
        try:
            self._entrance.send(data, _AT_ONCE)
        except BlockingIOError:
            return False
        except OSError:
            call_back(self._arena._open, data)
            raise
        return True

    def __reduce__(self) -> Any:
        """Travel by descriptor, to a process that is being started or is related to this one."""
        from multiprocessing.reduction import DupFd

        self._check()
        ends = DupFd(self._entrance.fileno()), DupFd(self._exit.fileno())
        return _arrived, (type(self), self._arena, *ends)

    def __enter__(self) -> ArenaQueue:
        self._check()
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def __del__(self) -> None:
        # Sockets that are left open say so on stderr.
        if hasattr(self, "_exit"):
            self.close()

    def __repr__(self) -> str:
        return f"<ArenaQueue of {self._arena!r}{', closed' if self.closed else ''}>"


def _arrived(cls: type[ArenaQueue], arena: Any, entrance: Any, exit_: Any) -> ArenaQueue:
    self = cls.__new__(cls)
    self._begin(arena, *(socket.socket(fileno=end.detach()) for end in (entrance, exit_)))
    return self


def _end(block: bool, timeout: float | None) -> float | None:
    """When to give up, as `time.monotonic` counts; None means never."""
    seconds = failures.seconds(timeout)
    if not block:
        return 0.0
    return None if seconds is None else time.monotonic() + seconds


def _waited(end: socket.socket, event: int, until: float | None) -> bool:
    """Wait for an event at a socket; whether it came in time."""
    poll = select.poll()
    poll.register(end, event)
    if until is None:
        return bool(poll.poll())
    while True:
        left = max(until - time.monotonic(), 0) if until else 0
        if poll.poll(math.ceil(min(left, _LONGEST_WAIT) * 1000)):
            return True
        if left <= _LONGEST_WAIT:
            return False
