"""BufferSource: what `arena.alloc` is, so that allocating takes no Python frame.

An `Arena` object has the bound `alloc` of its own source among its attributes. `Arena.close` empties the
source, so that an `alloc` that somebody saved ends as well.
"""

from typing import Any

from pagebuddy.buffers.closing import arena_was_closed
from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.buffers.buffer import Buffer


@cython.no_gc
@cython.final
@cython.cclass
class BufferSource:
    """Allocates buffers for one `Arena` object, until that is closed."""

    attachment: Attachment  # None once closed

    def __init__(self, attachment: Attachment) -> None:
        self.attachment = attachment

    def alloc(
        self,
        nbytes: Any,
        *,
        align: Any = None,
        zero: bool = False,
        keep: Any = None,
        timeout: Any = None,
    ) -> Buffer:
        """Allocate a buffer; shown with the docstring of `Arena.alloc`, see `describe_alloc`."""
        # Another thread may close the arena object meanwhile.
        attachment: Attachment = self.attachment
        if attachment is None:
            raise arena_was_closed()
        return attachment._allocated(nbytes, align, zero, keep, timeout)

    def close(self) -> None:
        """Refuse to allocate from now on."""
        # Ended when this returns, and not by the assignment: other threads may run when it ends.
        attachment = self.attachment
        self.attachment = None  # type: ignore[assignment]
        del attachment

    def __reduce__(self) -> Any:
        raise TypeError("a source of buffers cannot be copied or pickled; pickle its Arena")


if not cython.compiled:

    def describe_alloc(text: str) -> None:
        """Give `BufferSource.alloc` the docstring of the method that it stands for."""
        BufferSource.alloc.__doc__ = text
