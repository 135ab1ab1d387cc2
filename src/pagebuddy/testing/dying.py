"""Processes that die for real before any line of Python, or uncompiled before any store.

Between two stores a process opens, locks, maps and links files: lines are the points that stores are
not. Those are counted that the files named in `COMING` have, where processes come, fork, and go.
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
    "arena.py",
    "memory/",
    "sharing/attaching.py",
    "sharing/child.py",
    "sharing/fork_gate.py",
    "sharing/fork_hooks.py",
    "sharing/forking.py",
    "sharing/lease.py",
    "sharing/process.py",
)

_ROOT = Path(pagebuddy.__file__).parent
_COUNTED = tuple(str(_ROOT / place) for place in COMING)


def deaths_at_lines(act: Callable[[], object], step: int = 1, first: int = 0) -> Iterator[int]:
    """Let one forked process after the other act, and be killed before a line that comes later.

    Yields after each death, and once after the one that was through. Every `step`th line is a point,
    from the line after the first `first`. Raises RuntimeError where one fails in another way.
    """

    def limited(lines: int) -> None:
        sys.settrace(_tracer(lines))
        act()
        sys.settrace(None)

    yield from _deaths(limited, step, first)


def deaths_at_stores(act: Callable[[Any], object], step: int = 1, first: int = 0) -> Iterator[int]:
    """The same for stores of the uncompiled engine: `act` takes the class of arenas to be used."""

    def limited(stores: int) -> None:
        engine = engine_of_the_mortal(Budget(stores, _die))
        act(type("Arena", (pagebuddy.Arena,), {"_engine": engine}))

    yield from _deaths(limited, step, first)


def _deaths(limited: Callable[[int], None], step: int, first: int) -> Iterator[int]:
    point, status = first, -signal.SIGKILL
    while status:
        status = _ended(limited, point)
        if status not in (0, -signal.SIGKILL):
            raise RuntimeError(f"the process that was to die at {point} ended with {status}")
        yield point
        point += step


def _ended(limited: Callable[[int], None], point: int) -> int:
    """How a forked process ended."""
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
    """A trace function that ends the process before the line after so many."""
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
