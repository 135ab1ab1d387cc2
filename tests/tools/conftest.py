"""What must hold of every picture, whatever it shows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pagebuddy.tools.drawing import MONO_WIDTH, Drawing, Words


@pytest.fixture(scope="session")
def check_sheet() -> Callable[[Drawing], None]:
    """Checks that all of a drawing is on its sheet, and that no words lie on others."""

    def check(drawing: Drawing) -> None:
        assert 0 < drawing.height < 2000
        for box in drawing.boxes:
            assert box.width > 0, box
            assert box.height > 0, box
            assert box.left >= 0, box
            assert box.left + box.width <= drawing.width + 0.01, box
            assert box.top >= 0, box
            assert box.top + box.height <= drawing.height, box
        for words in drawing.words:
            start, end = extent(words)
            assert start >= 0, words
            assert end <= drawing.width + 1, words
            assert words.size / 2 <= words.y <= drawing.height - words.size / 2, words
        for i, words in enumerate(drawing.words):
            start, end = extent(words)
            for other in drawing.words[:i]:
                other_start, other_end = extent(other)
                apart = abs(words.y - other.y) >= 0.9 * min(words.size, other.size)
                assert apart or start >= other_end or end <= other_start, (words, other)

    return check


def extent(words: Words) -> tuple[float, float]:
    """Where a line of text starts and ends, more or less."""
    wide = len(words.text) * words.size * (MONO_WIDTH if words.mono else 0.53)
    start = {"start": words.x, "middle": words.x - wide / 2, "end": words.x - wide}[words.anchor]
    return start, start + wide
