"""What a picture in a file is made of, whichever the format: boxes and words."""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import wrap
from typing import Literal, NamedTuple

# What a letter is wide, at most on average, as a share of the size of the type.
_SANS_WIDTH, MONO_WIDTH = 0.55, 0.61
# And half the height of a digit: from the middle of a line to what it stands on.
HALF_HEIGHT = 0.36

Anchor = Literal["start", "middle", "end"]


MIN_WIDTH, USUAL_WIDTH = 320.0, 860.0


class Box(NamedTuple):
    """A filled rectangle. `fill` is a colour, #rrggbb, or one of the palette's tones of ink."""

    left: float
    top: float
    width: float
    height: float
    fill: str


class Words(NamedTuple):
    """A line of text. `x` is where it starts, has its middle or ends; `y` is its middle's height."""

    x: float
    y: float
    text: str
    size: float
    ink: str = "ink"
    anchor: Anchor = "start"
    mono: bool = False
    bold: bool = False


@dataclass
class Drawing:
    """Boxes, then words over them, on a sheet. Lengths in pixels from the upper left corner."""

    title: str
    width: float
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)

    def heading(self, margin: float, told: str) -> float:
        """Set the title and what is told below it, in as many lines as they take; where they end.

        >>> drawing = Drawing("Memory", width=300)
        >>> bottom = drawing.heading(12, "each cell is 1 page, grey as far as it is used")
        >>> [words.text for words in drawing.words]
        ['Memory', 'each cell is 1 page, grey as far as it is', 'used']
        """
        y = margin
        for text, size, ink in ((self.title, 15.0, "ink"), (told, 11.5, "faint")):
            for line in wrap(text, letters(self.width - 2 * margin, size)):
                y += 1.4 * size
                bold = ink == "ink"
                self.words.append(Words(margin, y - 0.7 * size, line, size, ink, bold=bold))
        return y + 7


def check_width(width: float) -> None:
    """Raise `ValueError` for a sheet too narrow to draw on."""
    if not width >= MIN_WIDTH:
        raise ValueError(f"the width is {width}; a picture needs {MIN_WIDTH:g} pixels or more")


def letters(width: float, size: float) -> int:
    """How many letters of text of this size there surely is room for, one at least."""
    return max(int(width / (_SANS_WIDTH * size)), 1)


def shortened(text: str, most: int) -> str:
    """The text, or its beginning and an ellipsis.

    >>> shortened("worker 12", 9), shortened("worker 123", 9)
    ('worker 12', 'worker 1…')
    """
    return text if len(text) <= most else text[: max(most - 1, 0)] + "…"
