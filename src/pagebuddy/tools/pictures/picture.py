"""Memory as a picture in a terminal, with or without colour. Used by `map` and `replay`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from string import ascii_lowercase, ascii_uppercase

from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.style import Style
from rich.text import Text

from pagebuddy.tools.pictures.grid import Grid, Row, describe, grid
from pagebuddy.tools.pictures.layout import Layout
from pagebuddy.tools.pictures.palette import N_HOLDERS, USED, holder_colour, ink_on, order_colours
from pagebuddy.tools.terminal.units import counted, in_bytes

# Characters for nothing used, up to a third, up to two thirds, up to all, and all used.
_SHADES, _ASCII_SHADES = "·░▒▓█", ".-+*#"
_OUTSIDE = " "
_MIN_COLUMNS, _MAX_COLUMNS = 8, 128


class Picture:
    """A layout as a picture for a rich console of at least 24 columns.

    Each character is a group of pages; the denser it is, the more of them are used. With colour, the
    background shows the largest free block. By holder, the character is the letter of the main holder,
    a small letter if some pages are free. Rows start with their address. Equal rows are folded.

    >>> from pagebuddy import BuddyAllocator
    >>> buddy = BuddyAllocator(64)
    >>> rows = [(buddy.alloc(33), 33, ["worker"])]
    >>> console = Console(width=60, color_system=None)
    >>> console.print(Picture(Layout.of(buddy), max_lines=2))
    0x00000 ████████████████████████████████
    0x20000 █·······························
    <BLANKLINE>
            each character is 1 page (4 KiB), a row 128 KiB
            · free  ░▒▓ used in part  █ used
    >>> console.print(Picture(Layout.of(buddy, rows), max_lines=2, by_holder=True))
    0x00000 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
    0x20000 A·······························
    <BLANKLINE>
            each character is 1 page (4 KiB), a row 128 KiB
            · free, small letters: used in part
            A worker: 132 KiB in 1 span
    """

    def __init__(self, layout: Layout, *, max_lines: int = 20, by_holder: bool = False) -> None:
        self.layout = layout
        self.max_lines = max_lines
        self.by_holder = by_holder
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
        yield from cut_off(options, margin + columns)
        for line in drawn.lines:
            if isinstance(line, Row):
                address = f"0x{line.first * layout.page_size:0{digits}x} "
                text = Text(address, no_wrap=True, overflow="crop")
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
        text = Text(no_wrap=True, overflow="crop")
        third = len(shades) - 2
        cells = zip(row.n_pages, row.n_free, row.free_block, row.holder, strict=True)
        kinds = (
            (-1, -1, -1)
            if n == 0
            else (len(shades) - 1 if free == 0 else -(-(n - free) * third // n), order, holder)
            for n, free, order, holder in cells
        )
        for (shade, order, holder), group in groupby(kinds):
            n = len(list(group))
            if shade < 0:
                text.append(_OUTSIDE * n)
            elif self.by_holder:
                text.append(_letter(shade, holder, shades) * n, _held(shade, holder, coloured))
            else:
                style = self._style(shade, order) if coloured else ""
                text.append(shades[shade] * n, style)
        return text

    def _style(self, shade: int, order: int) -> Style:
        if order < 0:
            return Style(color=USED)
        colour = self._colours[order]
        # The dot of a free cell has the colour of its background; it only matters in copied text.
        return Style(color=USED if shade else colour, bgcolor=colour)

    def _legend(self, drawn: Grid, shades: str, coloured: bool, room: int) -> Iterator[Text]:
        size = self.layout.page_size
        cell, row = drawn.pages_per_cell, drawn.pages_per_cell * drawn.columns
        yield Text(
            f"each character is {counted(cell, 'page')} ({in_bytes(cell * size)}), "
            f"a row {in_bytes(row * size)}"
        )
        if self.by_holder:
            yield Text(f"{shades[0]} free, small letters: used in part")
            yield from self._holders(shades, coloured)
            return
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

    def _holders(self, shades: str, coloured: bool) -> Iterator[Text]:
        full = len(shades) - 1
        held = self.layout.held
        for i, (name, (spans, pages)) in enumerate(zip(self.layout.holders, held, strict=True)):
            if i == N_HOLDERS:
                name = counted(len(held) - i, "other")
                spans = sum(spans for spans, _ in held[i:])
                pages = sum(pages for _, pages in held[i:])
            size = in_bytes(pages * self.layout.page_size)
            yield Text.assemble(
                (_letter(full, i, shades), _held(full, i, coloured)),
                f" {name}: {size} in {counted(spans, 'span')}",
            )
            if i == N_HOLDERS:
                return

    def _swatches(self, room: int) -> Iterator[Text]:
        line = Text()
        for order, colour in enumerate(self._colours):
            if line.cell_len + 4 > room:
                yield line
                line = Text()
            line.append(f" {order:2} ", Style(color=ink_on(colour), bgcolor=colour))
        yield line


def cut_off(options: ConsoleOptions, needed: int) -> Iterator[Text]:
    """A warning if the console is too narrow for a picture."""
    if options.max_width < needed:
        yield Text(f"cut off: the picture needs {needed} columns")


def _letter(shade: int, holder: int, shades: str) -> str:
    """The character for a shade and a holder; the shade itself without a holder."""
    if shade == 0 or holder < 0:
        return shades[shade]
    letters = ascii_uppercase if shade == len(shades) - 1 else ascii_lowercase
    return letters[holder] if holder < N_HOLDERS else letters[-1]


def _held(shade: int, holder: int, coloured: bool) -> Style:
    if not coloured or shade == 0:
        return Style.null()
    colour = holder_colour(holder)
    return Style(color=ink_on(colour), bgcolor=colour)


def _indented(text: Text, columns: int) -> Padding:
    """Text that begins at a column, on each of its lines."""
    return Padding(text, (0, 0, 0, columns), expand=False)
