"""The other process: what is shared with it, sent to it and answered by it is measured."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from threading import Thread, main_thread

from pagebuddy.tools.terminal.signals import end_with_parent, starting

# A fork would begin with this process's buffers, and so would hold them.
STARTED = get_context("spawn")

GRACE_S = 2.0
"""How long a partner has to end before it is killed."""


def partner(serve: Callable[..., object], *shared: object) -> Connection:
    """Start a process that calls `serve(connection, *shared)`; return the other end of its connection.

    It ends when that end is closed or this process ends, however that ends. Where it ends before, this
    process is interrupted: it may be waiting for an answer that cannot come.
    """
    ours, theirs = STARTED.Pipe()
    process = STARTED.Process(target=_serve, args=(serve, theirs, *shared), daemon=True)
    with starting():
        process.start()
    theirs.close()
    Thread(target=_interrupt_after, args=(process.sentinel, ours), daemon=True).start()
    # Before what `multiprocessing` does then, which is to kill: some have files to remove.
    atexit.register(_end, process, ours)
    # Else the first sample would be one of how long it takes to start.
    ours.recv_bytes()
    return ours


def _end(process: SpawnProcess, connection: Connection) -> None:
    connection.close()
    process.join(GRACE_S)


def _interrupt_after(sentinel: int, connection: Connection) -> None:
    wait([sentinel])
    if not connection.closed and main_thread().is_alive():
        print("a process that was measured with has ended, so there is no figure", file=sys.stderr)
        os.kill(os.getpid(), signal.SIGINT)


def _serve(serve: Callable[..., object], connection: Connection, *shared: object) -> None:
    end_with_parent()
    try:
        connection.send_bytes(b"here")
        serve(connection, *shared)
    except (EOFError, ConnectionError):
        return
    except OSError as error:
        # A message that breaks off in the middle, which is no error of the system.
        if error.errno is not None:
            raise
