"""How the second call gets into the middle of the first."""

from __future__ import annotations

import gc
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pagebuddy.buffers
from verification.pair_machine.calls import CALLS, REFUSALS
from verification.pair_machine.ground import ForeignByte, Ground, nothing

_FILES = str(Path(pagebuddy.buffers.__file__).parent)


def call(ground: Ground, name: str, meet: Callable[[], None] = nothing) -> None:
    """Make a call, which another may make impossible."""
    with suppress(*REFUSALS):
        CALLS[name](ground, meet)


class Once:
    """Makes a call the n-th time that it is called itself, and never within that call."""

    def __init__(self, ground: Ground, name: str, n: int) -> None:
        self.ground, self.name, self.left = ground, name, n

    def __call__(self) -> None:
        self.left -= 1
        if self.left == -1:
            call(self.ground, self.name)

    @property
    def is_done(self) -> bool:
        """Whether the call was made."""
        return self.left < 0


def by_argument(ground: Ground, first: str, second: str, n: int) -> bool:
    """The n-th time that an argument of the first call runs code, that makes the second call.

    Returns whether it was made.
    """
    meet = Once(ground, second, n)
    call(ground, first, meet)
    return meet.is_done


def by_garbage(ground: Ground, first: str, second: str, n: int) -> bool:
    """The garbage collector runs at each allocation; the n-th time it makes the second call."""
    meet = Once(ground, second, n)

    def collected(phase: str, info: Any) -> None:
        if phase == "start":
            meet()

    with _threshold(1):
        gc.callbacks.append(collected)
        try:
            call(ground, first)
        finally:
            gc.callbacks.remove(collected)
    return meet.is_done


def in_buffers(within: Callable[..., Any], opcodes: bool) -> Callable[..., Any]:
    """Return a trace function that gives the frames of `pagebuddy.buffers` to another one."""

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename.startswith(_FILES):
            frame.f_trace_opcodes = opcodes
            return within
        return None

    return trace


def by_step(ground: Ground, first: str, second: str, n: int, opcodes: bool = False) -> bool:
    """Uncompiled: before the n-th line, or bytecode, of `pagebuddy.buffers` the second call is made."""
    meet = Once(ground, second, n)

    def within(frame: FrameType, event: str, argument: Any) -> Any:
        if event == ("opcode" if opcodes else "line"):
            sys.settrace(None)
            meet()
            if not meet.is_done:
                sys.settrace(trace)
        return within

    trace = in_buffers(within, opcodes)
    sys.settrace(trace)
    try:
        call(ground, first)
    finally:
        sys.settrace(None)
    return meet.is_done


def by_opcode(ground: Ground, first: str, second: str, n: int) -> bool:
    """Uncompiled: before the n-th bytecode of `pagebuddy.buffers`, the second call is made."""
    return by_step(ground, first, second, n, True)


class Turns:
    """Lets one of two threads run at a time, and the other after so many bytecodes."""

    def __init__(self, budgets: list[int]) -> None:
        self.budgets = iter(budgets)
        self.left = next(self.budgets)
        self.turns = threading.Semaphore(1), threading.Semaphore(0)
        self.ended = [False, False]

    def step(self, me: int) -> None:
        """Note a bytecode of a thread; perhaps wait for its next turn."""
        self.left -= 1
        if self.left < 0 and not self.ended[1 - me]:
            self.left = next(self.budgets, sys.maxsize)
            self.turns[1 - me].release()
            # Not for ever: the other may wait for the arena's lock, which this thread has.
            self.turns[me].acquire(timeout=0.2)

    def run(self, me: int, ground: Ground, name: str) -> None:
        """Make a call in this thread, in turns with the other."""

        def within(frame: FrameType, event: str, argument: Any) -> Any:
            if event == "opcode":
                self.step(me)
            return within

        self.turns[me].acquire()
        sys.settrace(in_buffers(within, opcodes=True))
        try:
            call(ground, name)
        finally:
            sys.settrace(None)
            self.ended[me] = True
            self.turns[1 - me].release()


def by_turns(ground: Ground, first: str, second: str, budgets: list[int]) -> None:
    """Uncompiled: two threads make the calls; after so many bytecodes each, the other has its turn."""
    ground.begin()
    turns = Turns(budgets)
    thread = threading.Thread(target=turns.run, args=(1, ground, second))
    thread.start()
    turns.run(0, ground, first)
    thread.join()
    try:
        ground.check()
    except Exception as failure:
        where = f"{first!r} and {second!r} in turns of {budgets}"
        raise ForeignByte(f"{where}: {type(failure).__name__}: {failure}") from failure


def by_threads(Arena: Any, first: str, second: str, rounds: int) -> int:
    """Two threads make the two calls at the same time; how often they did."""
    ground = Ground(Arena)
    ready, done = threading.Barrier(2, timeout=60), threading.Barrier(2, timeout=60)
    failures: list[BaseException] = []

    def other() -> None:
        try:
            for _ in range(rounds):
                ready.wait()
                call(ground, second)
                done.wait()
        except threading.BrokenBarrierError:
            pass
        except BaseException as failure:
            failures.append(failure)
            ready.abort()
            done.abort()

    thread = threading.Thread(target=other)
    thread.start()
    try:
        for _ in range(rounds):
            ground.begin()
            ready.wait()
            call(ground, first)
            done.wait()
            ground.check()
    except threading.BrokenBarrierError:
        pass
    finally:
        ready.abort()
        done.abort()
        thread.join()
    if failures:
        raise failures[0]
    return rounds


def meet_everywhere(ground: Ground, way: Any, first: str, second: str, step: int = 1) -> int:
    """Make two calls again and again, each time with the second further on; how often they met.

    Raises `ForeignByte`, which names them.
    """
    n = 0
    while True:
        ground.begin()
        try:
            met = way(ground, first, second, n * step)
            ground.check()
        except Exception as failure:
            where = f"{second!r} in the middle of {first!r} {way.__name__} {n * step}"
            raise ForeignByte(f"{where}: {type(failure).__name__}: {failure}") from failure
        if not met:
            return n
        n += 1


@contextmanager
def _threshold(n: int) -> Iterator[None]:
    was = gc.get_threshold()
    gc.set_threshold(n)
    try:
        yield
    finally:
        gc.set_threshold(*was)


@contextmanager
def tiny_switches(seconds: float = 1e-6) -> Iterator[None]:
    """Let threads switch as often as possible."""
    was = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(was)


def ways_of_everything(Arena: Any, compiled: bool) -> dict[str, Callable[[str, str], int]]:
    """Return functions that make two calls meet wherever they can, by how they do it."""
    ground = Ground(Arena)

    def everywhere(way: Any) -> Callable[[str, str], int]:
        return lambda first, second: meet_everywhere(ground, way, first, second)

    def threads(first: str, second: str) -> int:
        with tiny_switches():
            return by_threads(Arena, first, second, 8)

    ways = {
        "argument": everywhere(by_argument),
        "garbage": everywhere(by_garbage),
        "threads": threads,
    }
    if compiled:
        return ways

    def turns(first: str, second: str) -> int:
        for _ in range(50):
            by_turns(ground, first, second, [random.randrange(60) for _ in range(4)])
        return 50

    return ways | {"bytecode": everywhere(by_opcode), "turns": turns}


def pairs() -> list[tuple[str, str]]:
    """Return every ordered pair of calls."""
    return [(first, second) for first in CALLS for second in CALLS]
