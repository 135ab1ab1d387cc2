"""ctypes arrays that live until their last reference is gone, even if they are part of garbage.

The garbage collector calls weak references back and clears memoryviews before all finalizers and
deallocators have run, and those may still read the memory. It does not touch objects that it does not
track. `mapping`, `given` and `buffers` use this.
"""

from __future__ import annotations

from functools import cache
from typing import Any


def untracked(address: int, n_bytes: int) -> Any:
    """Return an array over memory that the garbage collector ignores. It must not be part of a cycle."""
    array_of, untrack = _tools()
    array = array_of(n_bytes).from_address(address)
    untrack(array)
    return array


@cache
def _tools() -> tuple[Any, Any]:
    # Imported at the first arena, as in `system`.
    from ctypes import PYFUNCTYPE, c_char, py_object, pythonapi

    return c_char.__mul__, PYFUNCTYPE(None, py_object)(("PyObject_GC_UnTrack", pythonapi))
