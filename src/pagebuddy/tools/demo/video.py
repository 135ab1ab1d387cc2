"""Frames of a million pixels, each made from its number, so that every byte of it can be checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

SHAPE = (1000, 1000, 3)
FRAME_BYTES = 3_000_000


class Video:
    """Frames by number; those of different numbers differ in every byte, if their numbers do by 256."""

    def __init__(self) -> None:
        import numpy as np

        self._still: Any = (
            (np.arange(FRAME_BYTES, dtype=np.uint32) % 251).astype("u1").reshape(SHAPE)
        )

    def paint(self, number: int, frame: np.ndarray[Any, Any]) -> None:
        """Fill a frame."""
        import numpy as np

        np.add(self._still, number % 256, out=frame, casting="unsafe", dtype="u1")

    def is_right(self, number: int, frame: np.ndarray[Any, Any]) -> bool:
        """Whether every byte of a frame is what it must be.

        >>> import numpy as np
        >>> video, frame = Video(), np.empty(SHAPE, "u1")
        >>> video.paint(7, frame)
        >>> video.is_right(7, frame), video.is_right(8, frame)
        (True, False)
        """
        import numpy as np

        wanted = np.add(self._still, number % 256, casting="unsafe", dtype="u1")
        return bool(np.array_equal(frame, wanted))
