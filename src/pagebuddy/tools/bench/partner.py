"""Starts the other process of a measurement. Used by `handovers` and `benchmarks/`."""

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

# A forked process would also hold this process's buffers.
STARTED = get_context("spawn")

GRACE_S = 2.0
"""Seconds after which a partner that does not end is killed."""


def partner(serve: Callable[..., object], *shared: object) -> Connection:
    """Start a process that calls `serve(connection, *shared)`; return the other end of the connection.

    The process ends when that end is closed or this process ends. If it ends earlier, this process gets
    SIGINT, because it may be waiting for an answer.
    """
    ours, theirs = STARTED.Pipe()
    process = STARTED.Process(target=_serve, args=(serve, theirs, *shared), daemon=True)
    with starting():
        process.start()
    theirs.close()
    Thread(target=_interrupt_after, args=(process.sentinel, ours), daemon=True).start()
    # Runs before `multiprocessing` kills the process, which may have files to remove.
    atexit.register(_end, process, ours)
    # Wait until it has started, so that the first sample does not contain this time.
    ours.recv_bytes()
    return ours


def _end(process: SpawnProcess, connection: Connection) -> None:
    connection.close()
    process.join(GRACE_S)


def _interrupt_after(sentinel: int, connection: Connection) -> None:
    wait([sentinel])
    if not connection.closed and main_thread().is_alive():
        print("the other process of a measurement ended too early", file=sys.stderr)
        os.kill(os.getpid(), signal.SIGINT)


def _serve(serve: Callable[..., object], connection: Connection, *shared: object) -> None:
    end_with_parent()
    try:
        connection.send_bytes(b"here")
        serve(connection, *shared)
    except (EOFError, ConnectionError):
        return
    except OSError as error:
        # Without errno: a message was cut off, because the other end closed.
        if error.errno is not None:
            raise
