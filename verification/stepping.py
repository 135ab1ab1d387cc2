"""Run a process one machine instruction at a time, to see what it leaves if it is killed there.

`steps_of` copies an arena's words after each change. Each copy is what a process killed at that point
would leave, so it shows the order of stores in the compiled code, not in its source. `kill_at_work`
really kills the process. Requires Linux and permission to trace child processes. Used by tests/sharing.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pagebuddy.memory.anonymous import Anonymous
from pagebuddy.sharing.words import A_BUSY, A_SLOTS, ARENA_WORDS, SLOT_WORDS

_TRACEME = 0
_STEP = 9
_DETACH = 17

_ENDED_BADLY = 3


def steps_of(arena: Any, operation: Callable[[], object]) -> list[bytes]:
    """Return the words of an arena before its pages: before an operation, and after each change.

    A forked process runs the operation and is killed (SIGKILL) right after it, so its lease ends and its
    slot is dead. Raises OSError if child processes cannot be traced, RuntimeError if the operation
    fails.
    """
    return words_after_each_change(arena._attachment.memory, operation)


def words_after_each_change(words: memoryview, operation: Callable[[], object]) -> list[bytes]:
    """Do the same for the words of an arena to which no process is attached yet."""
    slots = slice(ARENA_WORDS, ARENA_WORDS + SLOT_WORDS * words[A_SLOTS])
    with _playing(operation) as pid:
        seen = [words.tobytes()]
        at_work = False
        while True:
            _trace(_STEP, pid)
            if _wait(pid) == signal.SIGSTOP:
                return seen
            # Between operations only magazines change. Comparing all words would be slow.
            if at_work or words[A_BUSY] or words[slots] != memoryview(seen[-1]).cast("Q")[slots]:
                at_work = words[A_BUSY] != 0
                # Comparing bytes takes a fifth of comparing words.
                now = words.tobytes()
                if now != seen[-1]:
                    seen.append(now)


def kill_at_work(arena: Any, operation: Callable[[], object], n_instructions: int) -> bool:
    """Kill a forked process after it ran `n_instructions` instructions of an operation under the lock.

    The process is dead on return. Returns True if it was inside the operation, False if it had completed
    it. Raises as `steps_of` does.
    """
    words = arena._attachment.memory
    with _playing(operation) as pid:
        while n_instructions:
            _trace(_STEP, pid)
            if _wait(pid) == signal.SIGSTOP:
                return False
            n_instructions -= words[A_BUSY] != 0
        return bool(words[A_BUSY])


def kill_after_changes(
    watched: list[memoryview], operation: Callable[[], object], n_changes: int
) -> bool:
    """Kill a forked process after it changed the bytes of these views so many times.

    The process is dead on return. Returns False if it completed the operation before. Raises as
    `steps_of` does.
    """
    with _playing(operation) as pid:
        seen = [view.tobytes() for view in watched]
        while n_changes:
            _trace(_STEP, pid)
            if _wait(pid) == signal.SIGSTOP:
                return False
            now = [view.tobytes() for view in watched]
            if now != seen:
                seen = now
                n_changes -= 1
    return True


def stop_inside(arena: Any, operation: Callable[[], object], n_changes: int) -> int:
    """Stop a forked process (SIGSTOP) inside an operation, after `n_changes` changes of words.

    Return its process id; the caller must wait for it. From the first change on it has the arena's lock.
    After SIGCONT it completes the operation and exits. Raises OSError if child processes cannot be
    traced, RuntimeError if the operation ends sooner.
    """
    words = arena._attachment.memory
    pid = os.fork()
    if pid == 0:
        _play(operation, os._exit, 0)
    _wait(pid)
    seen = words.tobytes()
    while n_changes:
        _trace(_STEP, pid)
        _wait(pid)
        if words[A_BUSY] and (now := words.tobytes()) != seen:
            seen = now
            n_changes -= 1
    _trace(_DETACH, pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)
    return pid


def copy_of(arena: Any, words: bytes) -> Any:
    """Return an attachment, of the same engine, to a copy of an arena with these words.

    No other process is attached to the copy, and nothing was repaired or reaped.
    """
    attachment = arena._attachment
    layout, engine = attachment.layout, sys.modules[type(attachment).__module__]
    medium = Anonymous.make(layout.n_bytes)
    medium.memory[: len(words)] = words
    local = memoryview(bytearray(8 * layout.n_local_words)).cast("Q")
    copy = engine.Attachment(layout, medium, local)
    engine.make_mutex(copy.memory)
    return copy


@contextmanager
def _playing(operation: Callable[[], object]) -> Iterator[int]:
    """Yield a traced child process that is stopped before an operation; kill it at the end."""
    pid = os.fork()
    if pid == 0:
        _play(operation, os.kill, os.getpid(), signal.SIGSTOP)
    try:
        _wait(pid)
        yield pid
    finally:
        # If it ended by itself, it was waited for already.
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _play(operation: Callable[[], object], after: Callable[..., object], *arguments: int) -> None:
    """Run the operation in the child process, traced, and then `after`."""
    try:
        # A collection is a million instructions, and stores nothing of the arena.
        gc.disable()
        _trace(_TRACEME, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        operation()
        after(*arguments)
    finally:
        os._exit(_ENDED_BADLY)


def _trace(request: int, pid: int, signal_number: int = 0) -> None:
    if _libc.ptrace(request, pid, None, signal_number) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot trace child processes here: {os.strerror(number)}")


def _wait(pid: int) -> int:
    """Wait for a child to stop; return the signal."""
    _, status = os.waitpid(pid, 0)
    if not os.WIFSTOPPED(status):
        raise RuntimeError(f"the operation ended with status {os.waitstatus_to_exitcode(status)}")
    return os.WSTOPSIG(status)


_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
