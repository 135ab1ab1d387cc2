"""Arrays of ctypes that end with the last reference to them, whatever the garbage collector does.

It calls weak references back, and clears memoryviews, while finalizers and deallocators are still to run
that may look at the memory. What it does not know it leaves alone.
"""

from __future__ import annotations

from ctypes import PYFUNCTYPE, py_object, pythonapi
from typing import Any

_untrack = PYFUNCTYPE(None, py_object)(("PyObject_GC_UnTrack", pythonapi))


def untracked(array: Any) -> Any:
    """Return an array as it is, unknown to the garbage collector. It must be part of no cycle."""
    _untrack(array)
    return array
