"""A drawing: boxes and texts, independent of the file format. Made by the sheets."""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import wrap
from typing import Literal, NamedTuple

# The average width of a letter, at most, as a share of the font size.
_SANS_WIDTH, MONO_WIDTH = 0.55, 0.61
# Half the height of a digit: the distance from the middle of a line to its baseline.
HALF_HEIGHT = 0.36

Anchor = Literal["start", "middle", "end"]


MIN_WIDTH, USUAL_WIDTH = 320.0, 860.0


class Box(NamedTuple):
    """A filled rectangle. `fill` is a colour, #rrggbb, or a tone of ink from the palette."""

    left: float
    top: float
    width: float
    height: float
    fill: str


class Words(NamedTuple):
    """A line of text. `x` is its start, middle or end, depending on `anchor`; `y` is its middle."""

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
    """Boxes, and texts over them. Lengths in pixels from the upper left corner."""

    title: str
    width: float
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)

    def heading(self, margin: float, told: str) -> float:
        """Add the title and a text below it, wrapped; return where they end.

        >>> drawing = Drawing("Memory", width=300)
        >>> bottom = drawing.heading(12, "each cell is 1 page; the used part is grey, more")
        >>> [words.text for words in drawing.words]
        ['Memory', 'each cell is 1 page; the used part is grey,', 'more']
        """
        y = margin
        for text, size, ink in ((self.title, 15.0, "ink"), (told, 11.5, "faint")):
            for line in wrap(text, letters(self.width - 2 * margin, size)):
                y += 1.4 * size
                bold = ink == "ink"
                self.words.append(Words(margin, y - 0.7 * size, line, size, ink, bold=bold))
        return y + 7


def check_width(width: float) -> None:
    """Raise `ValueError` if the width is too small."""
    if not width >= MIN_WIDTH:
        raise ValueError(f"width is {width}; expected at least {MIN_WIDTH:g} pixels")


def letters(width: float, size: float) -> int:
    """The number of letters of this font size that surely fit; at least 1."""
    return max(int(width / (_SANS_WIDTH * size)), 1)


def shortened(text: str, most: int) -> str:
    """Shorten a text to so many letters, with an ellipsis.

    >>> shortened("worker 12", 9), shortened("worker 123", 9)
    ('worker 12', 'worker 1…')
    """
    return text if len(text) <= most else text[: max(most - 1, 0)] + "…"
