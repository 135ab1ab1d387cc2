"""Frames of 1000 x 1000 pixels, computed from their number, so every byte can be checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

SHAPE = (1000, 1000, 3)
FRAME_BYTES = 3_000_000


class Video:
    """Frames by number. Frames whose numbers differ modulo 256 differ in every byte."""

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
        """Whether every byte of a frame is correct.

        >>> import numpy as np
        >>> video, frame = Video(), np.empty(SHAPE, "u1")
        >>> video.paint(7, frame)
        >>> video.is_right(7, frame), video.is_right(8, frame)
        (True, False)
        """
        import numpy as np

        wanted = np.add(self._still, number % 256, casting="unsafe", dtype="u1")
        return bool(np.array_equal(frame, wanted))
