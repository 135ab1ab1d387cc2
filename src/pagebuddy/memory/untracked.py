"""ctypes arrays that live until their last reference is gone, even if they are part of garbage.

The garbage collector calls weak references back and clears memoryviews before all finalizers and
deallocators have run, and those may still read the memory. It does not touch objects that it does not
track. `mapping`, `given` and `buffers` use this.
"""

from __future__ import annotations

from ctypes import PYFUNCTYPE, py_object, pythonapi
from typing import Any

_untrack = PYFUNCTYPE(None, py_object)(("PyObject_GC_UnTrack", pythonapi))


def untracked(array: Any) -> Any:
    """Make the garbage collector ignore an array, and return it. It must not be part of a cycle."""
    _untrack(array)
    return array
