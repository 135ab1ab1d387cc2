"""ArenaQueue: a queue between processes for objects whose bytes stay in the arena."""

from __future__ import annotations

import math
import select
import socket
import sys
import time
from contextlib import suppress
from queue import Empty, Full
from typing import Any

from pagebuddy.buffers.bodies.words import SMALL
from pagebuddy.exchange.delivery import load_received
from pagebuddy.exchange.dumping import packed
from pagebuddy.sharing.joining import failures

# More than any message: one that would be longer than `SMALL` is a handle, with at most a path in it.
_MOST_RECEIVED = 1 << 16

# In seconds; `poll` accepts no more than 24 days.
_LONGEST_WAIT = 1 << 20

# A plain number: combining a member of an enumeration takes longer, at every call.
_AT_ONCE = int(socket.MSG_DONTWAIT)


# SO_PEEK_OFF of Linux, which `socket` lacks: peeking continues behind what was peeked at.
_PEEK_OFFSET = 42


class ArenaQueue:
    """A queue for objects between any number of processes and threads.

    `Arena.queue` makes one. Pass it to another process as an argument when that process is started, with
    any start method. Each process has both ends. A queue cannot tell when all producers have exited;
    send a sentinel.

    Parameters
    ----------
    arena : Arena
        The arena through which the objects travel.

    Notes
    -----
    The queue is a pair of sockets that keep messages whole. It has no other state and no lock. A process
    that is killed loses only the message that it was receiving. Messages of more than 4 KiB lie in the
    arena, so that all messages in the sockets are short.

    Examples
    --------
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
            # The default may have been changed by `socket.setdefaulttimeout`.
            end.settimeout(None)

    def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put an object into the queue.

        Parameters
        ----------
        obj : object
            Any object that `Arena.dumps` accepts.
        block : bool, optional
            Wait if the queue is full. Default: True.
        timeout : float, optional
            Seconds to wait. By default waits as long as it takes.

        Raises
        ------
        queue.Full
            If the queue is still full. The system has room for a few hundred messages. The error says
            how many there are, and how many bytes.
        ValueError
            If this queue object was closed.
        Exception
            What `Arena.dumps` raises. After any of these errors nothing was sent, and nothing stays in
            the arena.

        Notes
        -----
        Takes as long as `Arena.dumps` and a system call. `queue.Full` takes up to a millisecond more,
        because the messages are counted.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> queue = Arena("1 MiB").queue()
        >>> queue.put({"frame": 7})
        >>> queue.get()
        {'frame': 7}
        >>> queue.close()
        """
        end = None if block and timeout is None else _end(block, timeout)
        self._check()
        unclaimed = packed(self._arena, obj, most=SMALL)
        try:
            while not self._sends(unclaimed):
                if _waited(self._entrance, select.POLLOUT, end):
                    continue
                # `poll` says ready only if three quarters of the room are free; some may be.
                if self._sends(unclaimed):
                    return
                raise Full(self._full(unclaimed.message, block, timeout))
        except BaseException:
            # The exception refers to it.
            unclaimed.end()
            raise

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the next object out of the queue.

        Parameters
        ----------
        block : bool, optional
            Wait if the queue is empty. Default: True.
        timeout : float, optional
            Seconds to wait. By default waits as long as it takes.

        Returns
        -------
        object
            The object, as `Arena.loads` returns it.

        Raises
        ------
        queue.Empty
            If the queue is still empty.
        ValueError
            If this queue object was closed.
        Exception
            What `Arena.loads` raises.

        Notes
        -----
        Takes as long as `Arena.loads` and a system call.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> with Arena("1 MiB").queue() as queue:
        ...     queue.get(timeout=0.01)
        Traceback (most recent call last):
            ...
        _queue.Empty: the queue has 0 messages (0 bytes), and none came within 0.01 seconds; ...
        """
        end = None if block and timeout is None else _end(block, timeout)
        self._check()
        unclaimed = self._arena._open.unclaimed()
        while True:
            try:
                # Without a deadline, one system call waits and receives.
                flags = 0 if end is None else _AT_ONCE
                unclaimed.receive_by(self._exit.recv, _MOST_RECEIVED, flags)
            except BlockingIOError:
                if not _waited(self._exit, select.POLLIN, end):
                    raise Empty(_empty(block, timeout)) from None
                continue
            return load_received(unclaimed)

    def put_nowait(self, obj: Any) -> None:
        """Put an object into the queue without waiting.

        Parameters
        ----------
        obj : object
            Any object that `Arena.dumps` accepts.

        Raises
        ------
        queue.Full
            If the queue is full.
        Exception
            All others that `put` raises.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> with Arena("1 MiB").queue() as queue:
        ...     queue.put_nowait("hello")
        ...     queue.get_nowait()
        'hello'
        """
        self.put(obj, block=False)

    def get_nowait(self) -> Any:
        """Take the next object out of the queue without waiting.

        Returns
        -------
        object
            The object, as `Arena.loads` returns it.

        Raises
        ------
        queue.Empty
            If the queue is empty.
        Exception
            All others that `get` raises.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> with Arena("1 MiB").queue() as queue:
        ...     queue.put("hello")
        ...     queue.get_nowait()
        'hello'
        """
        return self.get(block=False)

    def empty(self) -> bool:
        """Return whether the queue is empty at this moment.

        Returns
        -------
        bool
            Other processes may put or get an object at any time.

        Raises
        ------
        ValueError
            If this queue object was closed.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> with Arena("1 MiB").queue() as queue:
        ...     queue.empty()
        True
        """
        self._check()
        return not _waited(self._exit, select.POLLIN, 0.0)

    def close(self) -> None:
        """Close this queue object. Other processes can still use the queue.

        Do not close an object while another thread waits in its `put` or `get`. Objects that are still
        in the queue are lost when the last process has closed it. A second call does nothing.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> queue = Arena("1 MiB").queue()
        >>> queue.close()
        >>> queue.closed
        True
        """
        self._entrance.close()
        self._exit.close()

    @property
    def closed(self) -> bool:
        """Whether this queue object was closed."""
        return self._exit.fileno() < 0

    def _check(self) -> None:
        if self._exit.fileno() < 0:
            raise ValueError("this queue was closed; make another with arena.queue()")

    def _full(self, data: bytes, block: bool, timeout: float | None) -> str:
        """The message for a queue that has no room for these bytes."""
        limit = self._entrance.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        waited = f", and none was received within {timeout} seconds" if block else ""
        return (
            f"the queue has {_waiting(self._exit)}, and no room for another of {len(data)} bytes"
            f"{waited}; the system has room for {limit} bytes, and needs several hundred more for each "
            "message: receive some with get(), or wait longer"
        )

    def _sends(self, unclaimed: Any) -> bool:
        """Send a message; return whether there was room for it."""
        try:
            unclaimed.send_by(self._entrance.send, _AT_ONCE)
        except BlockingIOError:
            return False
        return True

    def __reduce__(self) -> Any:
        """Travel as descriptors, to a process that is being started or is related to this one."""
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
        # A socket that is collected while it is open prints a warning.
        if hasattr(self, "_exit"):
            self.close()

    def __repr__(self) -> str:
        return f"<ArenaQueue of {self._arena!r}{', closed' if self.closed else ''}>"


def _arrived(cls: type[ArenaQueue], arena: Any, entrance: Any, exit_: Any) -> ArenaQueue:
    self = cls.__new__(cls)
    self._begin(arena, *(socket.socket(fileno=end.detach()) for end in (entrance, exit_)))
    return self


def _end(block: bool, timeout: float | None) -> float | None:
    """Return the deadline, as `time.monotonic` counts; None means no deadline."""
    seconds = failures.seconds(timeout)
    if not block:
        return 0.0
    return None if seconds is None else time.monotonic() + seconds


def _empty(block: bool, timeout: float | None) -> str:
    """The message for a queue without a message."""
    waited = f"none came within {timeout} seconds" if block else "get() was not to wait for one"
    return (
        f"the queue has 0 messages (0 bytes), and {waited}; put one into it in any "
        "process, or wait longer"
    )


def _waiting(exit_: socket.socket) -> str:
    """How many messages and bytes wait at this end, for a message.

    The messages are counted by looking at each. If another process receives or counts meanwhile, the
    number is that of no moment.
    """
    import fcntl
    from termios import FIONREAD

    found = fcntl.ioctl(exit_, FIONREAD, bytes(4))
    n_bytes = int.from_bytes(found, sys.byteorder)
    try:
        exit_.setsockopt(socket.SOL_SOCKET, _PEEK_OFFSET, 0)
    except OSError:
        return f"{n_bytes} bytes waiting"
    n, space = 0, bytearray(_MOST_RECEIVED)
    with suppress(BlockingIOError):
        while n < n_bytes and exit_.recv_into(space, 0, _AT_ONCE | socket.MSG_PEEK):
            n += 1
    return f"{n} {'message' if n == 1 else 'messages'} ({n_bytes} bytes) waiting"


def _waited(end: socket.socket, event: int, until: float | None) -> bool:
    """Wait for an event at a socket; return whether it came in time."""
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
