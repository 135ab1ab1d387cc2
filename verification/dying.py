"""Kill a real process before any line of Python, or before any store of the uncompiled engine.

Between two stores a process opens, locks, maps and links files. Killing it before each line covers these
points too. Only lines of the files in `COMING` count: the code in which processes attach, fork and
detach. Used by the crash tests in tests/sharing.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pagebuddy
from pagebuddy.testing.crash import Budget, engine_of_the_mortal

COMING = (
    "arena/arena.py",
    "memory/",
    "sharing/forking/",
    "sharing/holding/shared_slot.py",
    "sharing/joining/attaching.py",
    "sharing/system/child.py",
    "sharing/system/lease.py",
    "sharing/system/sharers.py",
    "sharing/system/process.py",
)

_ROOT = Path(pagebuddy.__file__).parent
_COUNTED = tuple(str(_ROOT / place) for place in COMING)
assert all(Path(place).exists() for place in _COUNTED), "COMING names a file that has moved"


def deaths_at_lines(act: Callable[[], object], step: int = 1, first: int = 0) -> Iterator[int]:
    """Run `act` in one forked process after the other, and kill each before a later line.

    The first process is killed before the line after the first `first` lines, each following one `step`
    lines later. Yields after each death, and once after the process that completed `act`. Raises
    RuntimeError if a process fails in another way.
    """

    def limited(lines: int) -> None:
        sys.settrace(_tracer(lines))
        act()
        sys.settrace(None)

    yield from _deaths(limited, step, first)


def deaths_at_stores(act: Callable[[Any], object], step: int = 1, first: int = 0) -> Iterator[int]:
    """Do the same for stores of the uncompiled engine. `act` gets the class of arenas to use."""

    def limited(stores: int) -> None:
        engine = engine_of_the_mortal(Budget(stores, _die))
        act(type("Arena", (pagebuddy.Arena,), {"_engine": engine}))

    yield from _deaths(limited, step, first)


def _deaths(limited: Callable[[int], None], step: int, first: int) -> Iterator[int]:
    point, status = first, -signal.SIGKILL
    while status:
        status = _ended(limited, point)
        if status not in (0, -signal.SIGKILL):
            raise RuntimeError(
                f"the process to be killed at point {point} ended with status {status}"
            )
        yield point
        point += step


def _ended(limited: Callable[[int], None], point: int) -> int:
    """Run `limited` in a forked process and return its exit status."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            limited(point)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.settrace(None)
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _tracer(lines: int) -> Callable[..., Any]:
    """Return a trace function that kills the process before the line after `lines` counted lines."""
    spent = 0

    def at_line(frame: Any, event: str, _: Any) -> Any:
        nonlocal spent
        if event == "line":
            if spent == lines:
                _die()
            spent += 1
        return at_line

    def at_call(frame: Any, event: str, _: Any) -> Any:
        return at_line if frame.f_code.co_filename.startswith(_COUNTED) else None

    return at_call


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
