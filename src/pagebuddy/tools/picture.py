"""Memory as a picture in a terminal, with or without colour."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.style import Style
from rich.text import Text

from pagebuddy.tools.grid import Grid, Row, describe, grid
from pagebuddy.tools.layout import Layout
from pagebuddy.tools.palette import USED, is_dark, order_colours
from pagebuddy.tools.units import counted, in_bytes

# From nothing used to all used, in between by thirds of the share.
_SHADES, _ASCII_SHADES = "·░▒▓█", ".-+*#"
_OUTSIDE = " "
_MIN_COLUMNS, _MAX_COLUMNS = 8, 128


class Picture:
    """A layout, for a rich console to print in the width that it has, 24 columns or more.

    Each character is a group of pages, denser the more of them are used; where the console has
    colour, the background tells the largest free block there. Rows are labelled with their
    addresses. Where many rows would look the same, one stands for them.

    >>> from pagebuddy import BuddyAllocator
    >>> buddy = BuddyAllocator(64)
    >>> page = buddy.alloc(33)
    >>> layout = Layout.of(buddy)
    >>> Console(width=60, color_system=None).print(Picture(layout, max_lines=2))
    0x00000 ████████████████████████████████
    0x20000 █·······························
    <BLANKLINE>
            each character is 1 page (4 KiB), a row 128 KiB
            · free  ░▒▓ used in part  █ used
    """

    def __init__(self, layout: Layout, *, max_lines: int = 20) -> None:
        self.layout = layout
        self.max_lines = max_lines
        self._colours = order_colours(layout.top_order)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        layout = self.layout
        shades = _ASCII_SHADES if options.ascii_only else _SHADES
        coloured = console.color_system is not None and not console.no_color
        end = max((first + n for first, n in layout.ranges), default=1)
        digits = len(f"{(end - 1) * layout.page_size:x}")
        margin = digits + 3
        room = max(options.max_width - margin, _MIN_COLUMNS)
        columns = min(1 << (room.bit_length() - 1), _MAX_COLUMNS)
        drawn = grid(layout, columns=columns, max_lines=self.max_lines)
        for line in drawn.lines:
            if isinstance(line, Row):
                text = Text(f"0x{line.first * layout.page_size:0{digits}x} ")
                text.append_text(self._cells(line, shades, coloured))
                text.rstrip()
                yield text
            else:
                note = f"({describe(line, layout.page_size)})"
                yield _indented(Text(note, style="dim"), margin)
        yield Text()
        for text in self._legend(drawn, shades, coloured, room):
            yield _indented(text, margin)

    def _cells(self, row: Row, shades: str, coloured: bool) -> Text:
        used = row.n_pages - row.n_free
        # Of a cell without pages nothing is drawn; the divisor only must not be 0.
        thirds = -(-used * 3 // np.maximum(row.n_pages, 1))
        shade = np.where(used == row.n_pages, len(shades) - 1, thirds)
        shade[row.n_pages == 0] = -1
        text = Text(no_wrap=True, overflow="crop")
        kinds = zip(shade.tolist(), row.free_block.tolist(), strict=True)
        for (i, order), group in groupby(kinds):
            style = self._style(i, order) if coloured and i >= 0 else ""
            text.append((_OUTSIDE if i < 0 else shades[i]) * len(list(group)), style)
        return text

    def _style(self, shade: int, order: int) -> Style:
        if order < 0:
            return Style(color=USED)
        colour = self._colours[order]
        # A free cell's dot is there for whoever copies the text; it need not be seen.
        return Style(color=USED if shade else colour, bgcolor=colour)

    def _legend(self, drawn: Grid, shades: str, coloured: bool, room: int) -> Iterator[Text]:
        size = self.layout.page_size
        cell, row = drawn.pages_per_cell, drawn.pages_per_cell * drawn.columns
        yield Text(
            f"each character is {counted(cell, 'page')} ({in_bytes(cell * size)}), "
            f"a row {in_bytes(row * size)}"
        )
        used = USED if coloured else ""
        yield Text.assemble(
            *(() if coloured else (f"{shades[0]} free  ",)),
            (shades[1:4], used),
            " used in part  ",
            (shades[4], used),
            " used",
        )
        if coloured:
            yield Text("free, by the order of the largest block there:")
            yield from self._swatches(room)

    def _swatches(self, room: int) -> Iterator[Text]:
        line = Text()
        for order, colour in enumerate(self._colours):
            if line.cell_len + 4 > room:
                yield line
                line = Text()
            ink = "#ffffff" if is_dark(colour) else "#000000"
            line.append(f" {order:2} ", Style(color=ink, bgcolor=colour))
        yield line


def _indented(text: Text, columns: int) -> Padding:
    """Text that begins at a column, on each line that it takes."""
    return Padding(text, (0, 0, 0, columns), expand=False)
