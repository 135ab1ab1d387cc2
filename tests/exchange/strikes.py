"""Raising an exception at one step of a call, within the package. Used by the tests of interrupts."""

from __future__ import annotations

import dis
import gc
import sys
from functools import cache
from pathlib import Path

import pagebuddy

PACKAGE = str(Path(pagebuddy.__file__).parent)

# Uncompiled, the engine itself consists of steps: an exception there costs what the process holds.
SENDS = ("exchange", "arena", "pool", "sharing/joining/sending", "sharing/joining/handle")

# `try` is a NOP, which in some versions of Python is in no block, or in 3.10 SETUP_FINALLY.
HANDLING = (
    *("PUSH_EXC_INFO", "POP_EXCEPT", "RERAISE", "COPY", "WITH_EXCEPT_START"),
    *("NOP", "SETUP_FINALLY"),
)


class Struck(BaseException):
    """What a step raises."""


class Failed(Exception):
    """What a step of a thread raises. Only the main thread handles signals."""


class Tracer:
    """Raises an exception at one step within the package, counted from 0; counts the steps.

    `files` are more files to raise in. If `at` is None, it neither raises nor counts.
    """

    def __init__(self, at, engine, opcodes, files=(), error=Struck):
        self.at = at
        self.error = error
        self.n_steps = 0
        parts = SENDS if engine == "uncompiled" else ("",)
        self.files = (*(f"{PACKAGE}/{x}" for x in parts), *files)
        self.opcodes = opcodes

    @property
    def has_struck(self):
        """Whether the step was reached."""
        return self.n_steps > self.at

    def __call__(self, frame, event, arg):
        if not frame.f_code.co_filename.startswith(self.files):
            return None
        frame.f_trace_opcodes = self.opcodes
        return self.step

    def step(self, frame, event, arg):
        if self.at is None or event != ("opcode" if self.opcodes else "line"):
            return self.step
        if frame.f_lasti in left_out(frame.f_code):
            return self.step
        self.n_steps += 1
        if self.n_steps == self.at + 1:
            sys.settrace(None)
            raise self.error
        return self.step


@cache
def left_out(code):
    """Return the offsets of the instructions at which to raise nothing.

    Between a return and its assignment, what is returned may be lost. In the interpreter's own steps
    around a handler, and before a `with` block calls `__exit__`, no signal is handled; an exception
    there would be kept for ever as the one handled, or leave a lock locked.
    """
    found = set()
    steps = list(dis.get_instructions(code))
    for i, step in enumerate(steps):
        if step.opname.startswith("RETURN_") or step.opname in HANDLING:
            found.add(step.offset)
        if is_end_of_with(steps[i : i + 5]):
            # Before it, a value to be returned is moved away.
            before = i
            while steps[before - 1].opname in ("SWAP", "ROT_TWO", "POP_BLOCK"):
                before -= 1
            found.update(x.offset for x in steps[before : i + 5])
    return frozenset(found)


def is_end_of_with(steps):
    """Whether a call with the arguments None, None and None begins with the first instruction."""
    # Python 3.15 has an instruction of its own for None and a few other constants.
    loads = ("LOAD_CONST", "LOAD_COMMON_CONSTANT")
    return (
        all(x.opname in (*loads, "DUP_TOP") for x in steps[:3])
        and steps[0].opname in loads
        and all(x.argval is None for x in steps[:3])
        and any(x.opname.startswith(("CALL", "PRECALL")) for x in steps[3:4])
    )


def strike(call, at, engine, opcodes, files=()):
    """Call a function, and raise at a step; return whether it was reached before the end.

    No garbage is collected meanwhile, so that no step depends on when that happens.
    """
    tracer = Tracer(at, engine, opcodes, files)
    before = sys.gettrace()
    gc.disable()
    sys.settrace(tracer)
    try:
        call()
    except Struck:
        return True
    finally:
        sys.settrace(before)
        gc.enable()
    assert not tracer.has_struck
    return False


def steps(effort, opcodes):
    """The steps at which to raise, without an end: all in a soak, else some, from a random one on."""
    stride = effort.pick(61 if opcodes else 7, 1, 1)
    at = effort.seed % stride
    while True:
        yield at
        at += stride


def account(arena):
    """What is held, exactly."""
    gc.collect()
    stats = arena.stats()
    return stats.tickets, stats.used, [(row.offset, row.nbytes) for row in arena.buffers()]
