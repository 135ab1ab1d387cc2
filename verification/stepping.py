"""A process run a machine instruction at a time, to see what it leaves wherever it is killed.

`steps_of` copies an arena's words whenever one has changed: each copy is what a process that was killed
just there would leave. So the order of stores is that of the compiled code, not of its source.
`kill_at_work` kills it there in earnest. Linux alone, where this process may trace its children.
"""

from __future__ import annotations

import ctypes
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

    The operation is carried out by a forked process that ends right after it, by SIGKILL; so its lease
    is gone, and its slot is dead. Raises OSError where children cannot be traced, RuntimeError where the
    operation fails.
    """
    return words_after_each_change(arena._attachment.memory, operation)


def words_after_each_change(words: memoryview, operation: Callable[[], object]) -> list[bytes]:
    """The same for the words of an arena that this process has not attached to: a first attachment's."""
    slots = slice(ARENA_WORDS, ARENA_WORDS + SLOT_WORDS * words[A_SLOTS])
    with _playing(operation) as pid:
        seen = [words.tobytes()]
        at_work = False
        while True:
            _trace(_STEP, pid)
            if _wait(pid) == signal.SIGSTOP:
                return seen
            # While nobody is at work none but magazines change; to compare all words takes long.
            if at_work or words[A_BUSY] or words[slots] != memoryview(seen[-1]).cast("Q")[slots]:
                at_work = words[A_BUSY] != 0
                if words != memoryview(seen[-1]).cast("Q"):
                    seen.append(words.tobytes())


def kill_at_work(arena: Any, operation: Callable[[], object], n_instructions: int) -> bool:
    """Kill a process that carries out an operation after so many instructions at work on the arena.

    It is forked for that, and is dead when this returns: True if it was at work, False if it had done so
    before. Raises as `steps_of` does.
    """
    words = arena._attachment.memory
    with _playing(operation) as pid:
        while n_instructions:
            _trace(_STEP, pid)
            if _wait(pid) == signal.SIGSTOP:
                return False
            n_instructions -= words[A_BUSY] != 0
        return bool(words[A_BUSY])


def stop_inside(arena: Any, operation: Callable[[], object], n_changes: int) -> int:
    """Carry out an operation in a forked process, stopped (SIGSTOP) after so many changes of words.

    Return its number; whose child it is waits for it. With the first change it is at work, and has the
    arena's lock. When it is let go on (SIGCONT) it ends with what `operation` left to do. Raises OSError
    where children cannot be traced, RuntimeError where the operation ends sooner.
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
        if words[A_BUSY] and words != memoryview(seen).cast("Q"):
            seen = words.tobytes()
            n_changes -= 1
    _trace(_DETACH, pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)
    return pid


def copy_of(arena: Any, words: bytes) -> Any:
    """Return an attachment of the same engine to a copy of an arena whose words were these.

    Nobody else is attached to it, and nothing was mended or reaped.
    """
    attachment = arena._attachment
    layout, engine = attachment.layout, sys.modules[type(attachment).__module__]
    medium = Anonymous.make(layout.n_bytes)
    medium.memory[: len(words)] = words
    local = memoryview(bytearray(8 * layout.n_pages)).cast("Q")
    copy = engine.Attachment(layout, medium, local)
    engine.make_mutex(copy.memory)
    return copy


@contextmanager
def _playing(operation: Callable[[], object]) -> Iterator[int]:
    """A child that stands before an operation, to be traced; it does not outlive this."""
    pid = os.fork()
    if pid == 0:
        _play(operation, os.kill, os.getpid(), signal.SIGSTOP)
    try:
        _wait(pid)
        yield pid
    finally:
        # One that ended by itself was waited for.
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _play(operation: Callable[[], object], after: Callable[..., object], *arguments: int) -> None:
    """The child: let itself be traced, do it, and then something else."""
    try:
        _trace(_TRACEME, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        operation()
        after(*arguments)
    finally:
        os._exit(_ENDED_BADLY)


def _trace(request: int, pid: int, signal_number: int = 0) -> None:
    if _libc.ptrace(request, pid, None, signal_number) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"children cannot be traced here: {os.strerror(number)}")


def _wait(pid: int) -> int:
    """The signal that stopped a child."""
    _, status = os.waitpid(pid, 0)
    if not os.WIFSTOPPED(status):
        raise RuntimeError(f"the operation ended with {os.waitstatus_to_exitcode(status)}")
    return os.WSTOPSIG(status)


_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
