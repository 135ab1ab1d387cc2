"""NumpyMemory: the context in which numpy allocates its arrays in an arena."""

from __future__ import annotations

from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pagebuddy.buffers.arrays import numpy
from pagebuddy.memory.sizes import bytes_of
from pagebuddy.sharing.joining import failures, telling

if TYPE_CHECKING:
    from pagebuddy.buffers.attachment import Attachment

# Of each block that was entered in this context and not left yet: its `NumpyMemory`, and what numpy used
# before.
_ENTERED: ContextVar[tuple[tuple[NumpyMemory, Any], ...]] = ContextVar("entered", default=())


class NumpyMemory:
    """Lets numpy allocate in an arena, from ``__enter__`` to ``__exit__``; see `Arena.numpy_memory`.

    It can be entered several times, also by several threads.
    """

    def __init__(self, attachment: Attachment, threshold: int | str, strict: bool) -> None:
        least = bytes_of(threshold, "threshold")
        if attachment.is_readonly:
            raise ValueError(f"numpy_memory needs write access: {failures.READ_ONLY}")
        self._attachment = attachment
        self._extension = _extension(attachment)
        # Numpy keeps it as long as arrays that were made with it, and it keeps the arena attached.
        self._handler = self._extension.new_handler(attachment, least, bool(strict))

    def __enter__(self) -> None:
        before = self._extension.set_handler(self._handler)
        _ENTERED.set((*_ENTERED.get(), (self, before)))

    def __exit__(self, *failure: object) -> None:
        entered = list(_ENTERED.get())
        mine = [i for i, (memory, _) in enumerate(entered) if memory is self]
        if not mine:
            raise RuntimeError(
                "numpy_memory was entered in another thread or context; leave it where it was entered"
            )
        _, before = entered.pop(mine[-1])
        if mine[-1] == len(entered):
            self._extension.set_handler(before)
        else:
            # A block that was entered later is left later: numpy then has what it had before this one.
            entered[mine[-1]] = entered[mine[-1]][0], before
        _ENTERED.set(tuple(entered))
        # Numpy's calls cannot log that they reaped somebody.
        telling.tell(self._attachment)

    def __repr__(self) -> str:
        return "<NumpyMemory>"

    def __reduce__(self) -> Any:
        raise TypeError("numpy_memory cannot be copied or pickled; call it in the other process")


def _extension(attachment: Attachment) -> Any:
    """Return the module `_numpy`. Raises NotImplementedError where there is none for this engine."""
    if type(attachment).__module__ != "pagebuddy._compiled":
        raise NotImplementedError(
            "numpy_memory needs the compiled engine; use arena.empty, or copy results with arena.copy"
        )
    numpy()
    try:
        return import_module("pagebuddy._numpy")
    except ImportError as error:
        raise NotImplementedError(
            "numpy_memory needs the extension pagebuddy._numpy, which cannot be loaded here: install a "
            "wheel, or build pagebuddy where numpy 2 is installed; or use arena.empty and arena.copy"
        ) from error
