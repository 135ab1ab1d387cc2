"""Teaching multiprocessing's pickler to send arrays in shared arenas as handles.

`multiprocessing` and `concurrent.futures` pickle what they send with `ForkingPickler`. This sets its
`reducer_override`: unlike a registered reducer, it can leave any object to the pickler as if it were not
there, so all other objects have the same pickle as before, under every protocol.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from pagebuddy.buffers.arrays import extent_of, pages_of, short_dtype
from pagebuddy.core.words import FIRST_NODE
from pagebuddy.errors import StaleHandle
from pagebuddy.pickled import permanent
from pagebuddy.sharing.joining.sending import claim, send
from pagebuddy.sharing.process_state import current
from pagebuddy.sharing.words import TIED

if TYPE_CHECKING:
    from pagebuddy.sharing.attached import Attached, Held

# Whether arrays are sent as handles; and the method of the pickler that was there before, if any.
_is_wanted = True
_before: Any = None


def share_arrays(on: bool = True) -> None:
    """Choose whether `multiprocessing` sends arrays in shared arenas as handles, or copies them.

    With handles, `multiprocessing` (pools, queues, pipes, arguments of processes) and
    `concurrent.futures` do not copy an array that lies in a shared arena, nor slices and transposes of
    it: the receiver gets the same memory, and both see what the other stores there. All other arrays are
    copied, as are arrays of Python objects and of subclasses of `numpy.ndarray`. Plain
    ``pickle.dumps(array)`` always copies.

    Parameters
    ----------
    on : bool, optional
        False to copy all arrays, for example if other machines receive them. Default: True.

    Notes
    -----
    Applies to this process, and to processes that it forks from now on. Processes that are spawned send
    handles, unless they call this themselves. Handles are used from the moment when the process makes or
    attaches to an arena, or makes its first array in one.

    A handle that `multiprocessing` made ends when it is received. Until then the arena keeps the array,
    but at most for a minute after the sending process has ended; see also
    ``Arena.reap(unclaimed_after=...)``.

    Examples
    --------
    >>> import pagebuddy
    >>> pagebuddy.share_arrays(False)       # multiprocessing copies all arrays
    >>> pagebuddy.share_arrays()            # the default
    """
    global _is_wanted
    _is_wanted = bool(on)
    if on:
        teach()
    else:
        _forget()


def sends_handles() -> bool:
    """Whether the user wants arrays to be sent as handles."""
    return _is_wanted


def teach() -> None:
    """Teach the pickler, unless it is taught already or the user does not want it."""
    global _before
    if not _is_wanted:
        return
    from multiprocessing.reduction import ForkingPickler

    there = ForkingPickler.__dict__.get("reducer_override")
    if there is not _reduced:
        _before = there
        ForkingPickler.reducer_override = _reduced  # type: ignore[method-assign]


def _forget() -> None:
    reduction = sys.modules.get("multiprocessing.reduction")
    kind = getattr(reduction, "ForkingPickler", None)
    if kind is None or kind.__dict__.get("reducer_override") is not _reduced:
        return
    if _before is None:
        del kind.reducer_override
    else:
        kind.reducer_override = _before


def _reduced(pickler: Any, thing: Any) -> Any:
    """Reduce an array in a shared arena to a handle; leave everything else to the pickler."""
    np = sys.modules.get("numpy")
    if np is not None and type(thing) is getattr(np, "ndarray", None):
        reduced = _reduced_array(np, thing)
        if reduced is not None:
            return reduced
    return NotImplemented if _before is None else _before(pickler, thing)


def reduced_if_wanted(np: Any, array: Any) -> Any:
    """Reduce an array in a shared arena to a handle, for another pickler; None for other arrays.

    None too if the user does not want handles. Raises `OutOfTickets`.
    """
    return _reduced_array(np, array) if _is_wanted else None


def _reduced_array(np: Any, array: Any) -> Any:
    kind = array.dtype
    if kind.hasobject or array.nbytes == 0:
        return None
    low, first, n_bytes = extent_of(array)
    a = attached_around(low)
    if a is None:
        return None
    buffer = a.buffer_over(pages_of(array))  # type: ignore[attr-defined]
    try:
        start = low - a.extent[0] - buffer.offset if buffer is not None else -1  # type: ignore[attr-defined]
        if start < 0 or start + n_bytes > buffer.capacity:
            return None
        handle = tied_handle(a, buffer, start + n_bytes)
    finally:
        # A traceback would keep it.
        del buffer
    told = short_dtype(np, kind)
    writable = array.flags.writeable
    return array_of_handle, (handle, told, array.shape, array.strides, start + first, writable)


def tied_handle(a: Attached, buffer: Held, n_bytes: int) -> bytes:
    """Return a handle for the first bytes of a buffer; it ends a minute after this process has ended.

    Raises `OutOfTickets`.
    """
    node = FIRST_NODE + buffer.offset // a.layout.page_size
    return send(a, node, n_bytes, life_ms=TIED)


def attached_around(address: int) -> Attached | None:
    """Return the attachment to the shared arena in which an address lies, or None."""
    for reference in current().attached.valuerefs():
        a = reference()
        if a is None or a.is_ending():
            continue
        base, n_bytes = a.extent  # type: ignore[attr-defined]
        if base <= address < base + n_bytes and a.medium.shared:
            return a
    return None


@permanent
def array_of_handle(
    handle: bytes,
    dtype: Any,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    first: int,
    writable: bool,
) -> Any:
    """Claim a handle; return the array, whose first item is at byte `first`. Raises `StaleHandle`."""
    import numpy as np

    # What this process sends back is a handle too.
    teach()
    try:
        view = claim(handle).view
    except StaleHandle as error:
        raise StaleHandle(
            f"{error}. multiprocessing sent this array as a handle, which only processes on the "
            "sender's machine can receive; call pagebuddy.share_arrays(False) in the sender to send "
            "copies"
        ) from error
    return np.ndarray(shape, dtype, view if writable else view.toreadonly(), first, strides)
