"""What a notebook shows of memory, by the standard library alone."""

from __future__ import annotations

from pagebuddy.tools.pictures.layout import Layout
from pagebuddy.tools.pictures.sheet import sheet
from pagebuddy.tools.pictures.svg import as_svg

# As wide as the page of a notebook usually is; it shrinks where it must.
_WIDTH = 860.0


def as_html(layout: Layout, *, title: str) -> str:
    """For `_repr_html_`: a picture in the colours of the page around it, be that dark or light.

    By holder where anybody is told to hold something, else by the order of free blocks. It cannot be
    confused with other parts of the page: no names, no style sheet, no script.

    >>> from pagebuddy import BuddyAllocator
    >>> as_html(Layout.of(BuddyAllocator(64)), title="an arena")[:24]
    '<div><svg xmlns="http://'
    """
    drawing = sheet(layout, title=title, by_holder=bool(layout.holders), width=_WIDTH)
    return f"<div>{as_svg(drawing, alone=False)}</div>\n"


def as_picture(layout: Layout, *, title: str) -> str:
    """For `_repr_svg_`: the same picture on a paper of its own, dark where the reader prefers it.

    >>> from pagebuddy import BuddyAllocator
    >>> as_picture(Layout.of(BuddyAllocator(64)), title="an arena")[:19]
    '<svg xmlns="http://'
    """
    drawing = sheet(layout, title=title, by_holder=bool(layout.holders), width=_WIDTH)
    return as_svg(drawing)
