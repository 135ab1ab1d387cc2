"""Which processes share a slot, uncompiled. Compiled, `sharers.pxi` has the same functions in C.

The *tally* is a page of System V shared memory that a process attaches before it shares its slot for the
first time. Its children inherit the attachment as they inherit the lease, and it ends in the same way:
with the address space, at exit, SIGKILL and exec. The system counts the attachments (`shm_nattch`). If
there is one, no other process has the slot. This needs no descriptor, no /proc and no permission, which
may be what was missing when the fork found no slot.

The page belongs to no name and no key, and ends with its last attachment. If the system has no such
memory, the slot stays shared until the process gets another one.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from typing import TYPE_CHECKING

from pagebuddy.sharing.process_state import current

if TYPE_CHECKING:
    from pagebuddy.sharing.state import ArenaState

_PRIVATE = 0
_REMOVE, _STATUS = 0, 2
_BYTES = 4096
# Every user: this process may become another.
_MODE = 0o666
# struct shmid_ds of 64-bit Linux, which is longer than this: the number of attachments is its 12th word.
_STATUS_BYTES = 256
_N_ATTACHED = struct.Struct("88xQ")

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
if _libc is not None and struct.calcsize("P") == 8 and hasattr(_libc, "shmget"):
    _libc.shmget.argtypes = (ctypes.c_int, ctypes.c_size_t, ctypes.c_int)
    _libc.shmat.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
    _libc.shmat.restype = ctypes.c_void_p
    _libc.shmctl.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p)
    _libc.shmdt.argtypes = (ctypes.c_void_p,)
else:
    _libc = None

_FAILED = ctypes.c_void_p(-1).value


def begin_tally(a: ArenaState) -> None:
    """Attach a new tally, which children inherit; nothing if the system has none."""
    if _libc is None:
        return
    tally = _libc.shmget(_PRIVATE, _BYTES, _MODE)
    if tally < 0:
        return
    address = _libc.shmat(tally, None, 0)
    # Removed now, it ends with its last attachment.
    _libc.shmctl(tally, _REMOVE, None)
    if address is not None and address != _FAILED:
        a.tally, a.tally_address = tally, address


def end_tally(a: ArenaState) -> None:
    """Detach the tally, so that this process counts no more."""
    if a.tally_address and _libc is not None:
        _libc.shmdt(a.tally_address)
        a.tally_address = 0


def is_sole_user(a: ArenaState) -> bool:
    """Whether no other process shares this one's slot."""
    return a.tally_address != 0 and _n_attached(a.tally) == 1 and _is_tally(a)


def _n_attached(tally: int) -> int:
    """How often the system has a page attached; 0 if it cannot tell."""
    status = ctypes.create_string_buffer(_STATUS_BYTES)
    if _libc is None or _libc.shmctl(tally, _STATUS, status):
        return 0
    count: int = _N_ATTACHED.unpack_from(status)[0]
    return count


def _is_tally(a: ArenaState) -> bool:
    """Whether the number of the tally is still its own: in another ipc namespace it can be another's."""
    assert _libc is not None
    address = _libc.shmat(a.tally, None, 0)
    if address is None or address == _FAILED:
        return False
    mine = ctypes.c_uint64.from_address(a.tally_address)
    same = ctypes.c_uint64.from_address(address)
    is_same = True
    for _ in range(2):
        mine.value += 1
        is_same = is_same and same.value == mine.value
    _libc.shmdt(address)
    return is_same


def keep_forks_out(a: ArenaState) -> bool:
    """Let no thread of this process fork or attach; False if one does so now."""
    return current().fork_gate.hold_now()


def let_forks_in(a: ArenaState) -> None:
    """End what `keep_forks_out` began."""
    current().fork_gate.end()
