"""Writes pictures into files: SVG with the standard library, PNG and PDF with matplotlib."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pagebuddy.tools.pictures.drawing import HALF_HEIGHT, USUAL_WIDTH, Drawing
from pagebuddy.tools.pictures.layout import Layout
from pagebuddy.tools.pictures.palette import DARK, LIGHT, TONES, Theme
from pagebuddy.tools.pictures.sheet import sheet
from pagebuddy.tools.pictures.svg import as_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SANS, _MONO = "DejaVu Sans", "DejaVu Sans Mono"  # matplotlib brings both
# A pixel of a drawing in inches and in points; a PNG has two pixels for each.
_INCH, _POINT = 1 / 96, 72 / 96
_DOTS = 2 * 96
_ANCHORS = {"start": "left", "middle": "center", "end": "right"}


def check_name(path: str | os.PathLike[str]) -> Path:
    """Return the path; raise `ValueError` if its suffix is not that of a picture.

    >>> check_name("memory.txt")
    Traceback (most recent call last):
        ...
    ValueError: cannot draw memory.txt: the name must end in .svg, .png or .pdf
    """
    path = Path(path)
    if path.suffix.lower() not in (".svg", ".png", ".pdf"):
        raise ValueError(f"cannot draw {path}: the name must end in .svg, .png or .pdf")
    return path


def draw(
    layout: Layout,
    path: str | os.PathLike[str],
    *,
    title: str,
    by_holder: bool = False,
    width: float = USUAL_WIDTH,
    dark: bool = False,
) -> None:
    """Draw a layout into a file with `sheet`; the suffix determines the format.

    SVG adapts to the reader's preference for dark or light. PNG and PDF are light, or dark with `dark`,
    and need matplotlib; a PNG has 2 `width` pixels. Raises `ValueError` for another suffix or a small
    width, `OSError` if the file cannot be written.
    """
    path = check_name(path)
    save(sheet(layout, title=title, by_holder=by_holder, width=width), path, dark=dark)


def save(drawing: Drawing, path: str | os.PathLike[str], *, dark: bool = False) -> None:
    """Write a drawing into a file, as `draw` does. The same drawing gives the same bytes."""
    path = check_name(path)
    if path.suffix.lower() == ".svg":
        path.write_text(as_svg(drawing), encoding="utf-8")
        return

    import matplotlib as mpl
    from matplotlib.figure import Figure

    theme = DARK if dark else LIGHT
    width, height = drawing.width, drawing.height
    with mpl.rc_context({"font.family": _SANS}):
        figure = Figure(figsize=(width * _INCH, height * _INCH), facecolor=theme.paper)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        axes.set_axis_off()
        _boxes(axes, drawing, theme)
        _words(axes, drawing, theme)
        # No date, so that the bytes are reproducible.
        undated = {"CreationDate": None} if path.suffix.lower() == ".pdf" else None
        figure.savefig(path, dpi=_DOTS, metadata=undated)


def _boxes(axes: Axes, drawing: Drawing, theme: Theme) -> None:
    from matplotlib.collections import PolyCollection

    corners = [[(x, y), (x + w, y), (x + w, y + h), (x, y + h)] for x, y, w, h, _ in drawing.boxes]
    fills = [_fill(box.fill, theme) for box in drawing.boxes]
    # No antialiasing, which would show seams between adjacent boxes.
    boxes = PolyCollection(corners, facecolors=fills, linewidths=0, antialiaseds=False)
    axes.add_collection(boxes, autolim=False)


def _words(axes: Axes, drawing: Drawing, theme: Theme) -> None:
    for words in drawing.words:
        ink, alpha = _fill(words.ink, theme)
        axes.text(
            words.x,
            words.y + HALF_HEIGHT * words.size,
            words.text,
            color=ink,
            alpha=alpha,
            size=words.size * _POINT,
            ha=_ANCHORS[words.anchor],
            va="baseline",
            family=_MONO if words.mono else _SANS,
            weight="bold" if words.bold else "normal",
            # A dollar sign in a name does not start a formula.
            parse_math=False,
        )


def _fill(fill: str, theme: Theme) -> tuple[str, float]:
    return (theme.ink, TONES[fill]) if fill in TONES else (fill, 1.0)
