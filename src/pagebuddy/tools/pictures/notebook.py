"""Pictures of memory for notebooks, with the standard library only. Used by `Arena` and `Snapshot`."""

from __future__ import annotations

from pagebuddy.tools.pictures.layout import Layout
from pagebuddy.tools.pictures.sheet import sheet
from pagebuddy.tools.pictures.svg import as_svg

# As wide as the page of a notebook usually is; it shrinks where it must.
_WIDTH = 860.0


def as_html(layout: Layout, *, title: str) -> str:
    """The picture for `_repr_html_`, in the text colour of the page around it.

    Coloured by holder if any is known, otherwise by the order of free blocks. It contains no ids, style
    sheets or scripts that could affect the page.

    >>> from pagebuddy import BuddyAllocator
    >>> as_html(Layout.of(BuddyAllocator(64)), title="an arena")[:24]
    '<div><svg xmlns="http://'
    """
    drawing = sheet(layout, title=title, by_holder=bool(layout.holders), width=_WIDTH)
    return f"<div>{as_svg(drawing, alone=False)}</div>\n"


def as_picture(layout: Layout, *, title: str) -> str:
    """The picture for `_repr_svg_`, with its own background, dark if the reader prefers it.

    >>> from pagebuddy import BuddyAllocator
    >>> as_picture(Layout.of(BuddyAllocator(64)), title="an arena")[:19]
    '<svg xmlns="http://'
    """
    drawing = sheet(layout, title=title, by_holder=bool(layout.holders), width=_WIDTH)
    return as_svg(drawing)
