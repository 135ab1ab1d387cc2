"""Messages, with file descriptors, between the machine and its workers."""

from __future__ import annotations

import os
import pickle
import socket
from typing import Any

_MOST_BYTES = 1 << 18
_MOST_DESCRIPTORS = 2


class Wire:
    """One end of a connection. Messages are pickles, so the other end must be trusted."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end

    @classmethod
    def pair(cls) -> tuple[Wire, Wire]:
        """Return both ends of a new connection."""
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(one), cls(other)

    @classmethod
    def of(cls, fd: int) -> Wire:
        """Return the end for a descriptor, and own the descriptor."""
        return cls(socket.socket(fileno=fd))

    def fileno(self) -> int:
        """Return the descriptor."""
        return self.end.fileno()

    def say(self, message: Any, *descriptors: int) -> None:
        """Send a message with copies of these descriptors."""
        socket.send_fds(self.end, [pickle.dumps(message)], descriptors)

    def hear(self) -> tuple[Any, list[int]]:
        """Return the next message and its descriptors. Raises EOFError if the other end is gone."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self.end, _MOST_BYTES, _MOST_DESCRIPTORS)
        except ConnectionResetError:
            data, descriptors = b"", []
        if not data:
            raise EOFError("the process at the other end has ended")
        for fd in descriptors:
            os.set_inheritable(fd, False)
        return pickle.loads(data), descriptors

    def close(self) -> None:
        """Close this end."""
        self.end.close()
