"""Waiting for a word in shared memory to change, uncompiled. Compiled, `futex.pxi` has it in C."""

from __future__ import annotations

import errno
import os
import struct
import sys
import time
from functools import cache
from typing import Any

# The number of the system call, where it is not that of most machines.
_NUMBERS = {"x86_64": 202, "s390x": 238, "ppc64le": 221, "ppc64": 221}
_MOST_MACHINES = 98
_WAIT, _WAKE, _CMP_REQUEUE = 0, 1, 4
_EVERYBODY = 0x7FFF_FFFF

# Linux has it since 5.16, with the same number on all machines but one that is gone.
_WAITV = 449
_FUTEX_32 = 2
_CLOCK_MONOTONIC = 1
_MOST_FUTEXES = 128


@cache
def _futex() -> Any:
    """Return a function that makes the system call; None on other systems than Linux."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    class Time(ctypes.Structure):
        _fields_ = (("s", ctypes.c_long), ("ns", ctypes.c_long))

    number = _NUMBERS.get(os.uname().machine, _MOST_MACHINES)
    call = ctypes.CDLL(None, use_errno=True).syscall

    def futex(at: int, operation: int, value: int, ms: int, other: int = 0, third: int = 0) -> int:
        limit = (
            ctypes.byref(Time(ms // 1000, ms % 1000 * 1_000_000)) if operation == _WAIT else None
        )
        to, compared = ctypes.c_void_p(other or None), ctypes.c_uint(third)
        done = call(
            number, ctypes.c_void_p(at), operation, ctypes.c_uint(value), limit, to, compared
        )
        return int(done)

    return futex


def futex_wait(words: memoryview, index: int, seen: int, milliseconds: int) -> None:
    """Wait until somebody wakes this word's waiters, if its lower half still is as seen."""
    _wait_at(address_of_futex(words, index), seen, milliseconds)


def futex_wake(words: memoryview, index: int, most: int) -> None:
    """Wake as many waiters of a word."""
    futex = _futex()
    if futex is not None:
        futex(address_of_futex(words, index), _WAKE, most, 0)


def address_of_futex(words: memoryview, index: int) -> int:
    """The address of the lower half of a word, which the system compares."""
    import ctypes

    lower = 4 if sys.byteorder == "big" else 0
    return ctypes.addressof(ctypes.c_char.from_buffer(words, index * 8)) + lower


def _wait_at(address: int, seen: int, milliseconds: int) -> None:
    futex = _futex()
    if futex is None:
        time.sleep(0.001)
    else:
        futex(address, _WAIT, seen & 0xFFFF_FFFF, milliseconds)


def wake_at(address: int) -> None:
    """Wake all who wait for the futex at an address."""
    futex = _futex()
    if futex is not None:
        futex(address, _WAKE, _EVERYBODY, 0)


@cache
def _futex_waitv() -> Any:
    """Return a function that waits for several futexes; it returns the error, 0 for none."""
    import ctypes

    call = ctypes.CDLL(None, use_errno=True).syscall

    def waitv(waiters: bytes, n: int, end_ns: int) -> int:
        limit = struct.pack("qq", *divmod(end_ns, 1_000_000_000))
        done = call(_WAITV, waiters, n, 0, limit, _CLOCK_MONOTONIC)
        return 0 if done >= 0 else ctypes.get_errno()

    return waitv


def _differs(address: int, seen: int) -> bool:
    """Whether a futex is not as seen, or not there any more, which reading it could not tell."""
    return bool(_futex()(address, _CMP_REQUEUE, 0, 0, address, seen & 0xFFFF_FFFF) < 0)


def wait_for_any(addresses: list[int], seen: list[int], milliseconds: int, pause: int) -> None:
    """Wait until one of these futexes is not as seen, or is woken, at most so many ms.

    The system waits for 128 of them, or without `futex_waitv` for the first. The others are looked at
    after each pause, which grows to 20 ms.
    """
    if _futex() is None:
        time.sleep(0.001)
        return
    waiters = b"".join(
        struct.pack("QQII", value & 0xFFFF_FFFF, address, _FUTEX_32, 0)
        for address, value in zip(addresses[:_MOST_FUTEXES], seen, strict=False)
    )
    most = min(len(addresses), _MOST_FUTEXES)
    now = time.monotonic_ns()
    end = now + milliseconds * 1_000_000
    while now < end:
        # A wait for the first alone does not say whether it was as seen.
        looked_at = slice(0 if most == 1 else most, None)
        if any(map(_differs, addresses[looked_at], seen[looked_at])):
            return
        limit = end - now if most == len(addresses) else min(pause * 1_000_000, end - now)
        pause = min(pause + 1, 20)
        if most > 1:
            error = _futex_waitv()(waiters, most, now + limit)
            if error in (0, errno.EAGAIN, errno.EINTR):
                return
            if error != errno.ETIMEDOUT:
                # Without this call, wait for the first alone.
                most = 1
        elif _futex()(addresses[0], _WAIT, seen[0] & 0xFFFF_FFFF, limit // 1_000_000) >= 0:
            return
        now = time.monotonic_ns()
