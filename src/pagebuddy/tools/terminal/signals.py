"""What the other processes of a verb do when somebody interrupts it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from multiprocessing.connection import wait
from threading import Thread


@contextmanager
def starting() -> Iterator[None]:
    """Within it, start processes that Ctrl-C does not reach: it is the verb that is interrupted.

    From their first instruction on, as what is blocked stays so in whatever program they begin with. One
    that comes meanwhile is heard at the end.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Within it, what asks this process to end ends it as Ctrl-C does: it tidies up, as nobody else can.

    The exit code is 128 and the signal, as a shell tells it. What is ignored, by `nohup` say, stays so.
    """

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    asking = [signal.SIGTERM, *([signal.SIGHUP] if sys.platform != "win32" else [])]
    before = {number: signal.getsignal(number) for number in asking}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:
            signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with_parent() -> None:
    """Have this process end when the one that started it does, also where it waits for something else.

    Ctrl-C reaches all processes, and it is the other one that reports it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
