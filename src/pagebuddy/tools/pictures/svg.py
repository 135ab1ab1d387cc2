"""Writes a drawing as SVG, with the standard library only. Used by `plot` and `notebook`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from itertools import groupby

from pagebuddy.tools.pictures.drawing import HALF_HEIGHT, Box, Drawing, Words
from pagebuddy.tools.pictures.palette import DARK, LIGHT, TONES

# Class names that do not collide with those of a page that contains the SVG.
_STYLE = (
    f"svg.pagebuddy{{color:{LIGHT.ink}}}.pagebuddy-paper{{fill:{LIGHT.paper}}}"
    "@media (prefers-color-scheme:dark){"
    f"svg.pagebuddy{{color:{DARK.ink}}}.pagebuddy-paper{{fill:{DARK.paper}}}}}"
)
_SANS = "system-ui,'DejaVu Sans',sans-serif"
_MONO = "ui-monospace,'DejaVu Sans Mono',monospace"
_UNFIT = re.compile("[^\t -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_svg(drawing: Drawing, *, alone: bool = True) -> str:
    """The drawing as an SVG document, or with `alone=False` as an element for a page.

    A document has a background, dark if the reader prefers it. An element has the text colour of the
    page and no background. Both shrink to the available width, load nothing and contain no script. The
    same drawing gives the same text.

    >>> text = as_svg(Drawing("a <title>", 10, 20), alone=False)
    >>> text.splitlines()[1]
    '<title>a &lt;title&gt;</title>'
    """
    return "\n".join(_lines(drawing, alone)) + "\n"


def _lines(drawing: Drawing, alone: bool) -> Iterator[str]:
    width, height = _number(drawing.width), _number(drawing.height)
    kind = ' class="pagebuddy"' if alone else ""
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg"{kind} role="img" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}" style="max-width:100%;height:auto">'
    )
    yield f"<title>{_escaped(drawing.title)}</title>"
    if alone:
        yield f"<style>{_STYLE}</style>"
        yield '<rect class="pagebuddy-paper" width="100%" height="100%"/>'
    for fill, boxes in groupby(drawing.boxes, key=lambda box: box.fill):
        path = "".join(map(_outline, boxes))
        # No antialiasing, which would show seams between adjacent boxes.
        yield f'<path shape-rendering="crispEdges"{_fill(fill)} d="{path}"/>'
    for words in drawing.words:
        yield _text(words)
    yield "</svg>"


def _outline(box: Box) -> str:
    # Round edges rather than lengths, so that adjacent boxes touch.
    left, top, right, bottom = (
        round(edge, 2) for edge in (box.left, box.top, box.left + box.width, box.top + box.height)
    )
    wide, high = _number(right - left), _number(bottom - top)
    return f"M{_number(left)} {_number(top)}h{wide}v{high}h{_number(left - right)}z"


def _text(words: Words) -> str:
    attributes = "" if words.anchor == "start" else f' text-anchor="{words.anchor}"'
    if words.bold:
        attributes += ' font-weight="600"'
    return (
        f'<text x="{_number(words.x)}" y="{_number(words.y + HALF_HEIGHT * words.size)}" '
        f'font-family="{_MONO if words.mono else _SANS}" font-size="{_number(words.size)}"'
        f"{attributes}{_fill(words.ink)}>{_escaped(words.text)}</text>"
    )


def _fill(fill: str) -> str:
    if fill not in TONES:
        return f' fill="{fill}"'
    opacity = "" if fill == "ink" else f' fill-opacity="{TONES[fill]}"'
    return f' fill="currentColor"{opacity}'


def _number(value: float) -> str:
    """A number with at most two decimals, without trailing zeros."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _escaped(text: str) -> str:
    """Escape a text; replace characters that XML does not allow."""
    return escape(_UNFIT.sub("\ufffd", text))
