"""The tree of a block in a terminal: a line per order, a bar per block. Used by `map --tree`."""

from __future__ import annotations

from typing import SupportsIndex

from rich.console import Console, ConsoleOptions, RenderResult
from rich.style import Style
from rich.text import Text

from pagebuddy.tools.pictures.layout import Layout
from pagebuddy.tools.pictures.palette import USED, ink_on, order_colours
from pagebuddy.tools.pictures.picture import cut_off
from pagebuddy.tools.pictures.tree import Kind, Node, Tree, left_out
from pagebuddy.tools.terminal.units import in_bytes

_MARGIN = len("order 10 ")
_MIN_COLUMNS, _MAX_COLUMNS = 16, 128
_FILL_AROUND = 2  # the number of fill characters that stay visible around a label
_FILLS = {Kind.FREE: "·", Kind.USED: "█", Kind.SPLIT: "─", Kind.OUTSIDE: " "}
_ASCII_FILLS = {Kind.FREE: ".", Kind.USED: "#", Kind.SPLIT: "-", Kind.OUTSIDE: " "}


class TreePicture:
    """The tree of splits of one block of a layout, for a rich console.

    Each line is an order; the width of a block is proportional to its size. Explanations follow below.
    `page` and `order` select the block as in `Tree`, with the same errors.

    >>> from pagebuddy import BuddyAllocator
    >>> buddy = BuddyAllocator(16)
    >>> page = buddy.alloc(5)
    >>> picture = TreePicture(Layout.of(buddy))
    >>> Console(width=70, color_system=None).print(picture)
    the block of order 4 at page 0: 64 KiB from 0x0
    <BLANKLINE>
    order  4 ─────────── 0 split ───────────
    order  3 ─── 0 split ─── ··· 8 free ····
    order  2 ██ 0 ██ ── 4 ──
    order  1         ─── ···
    order  0         █ ·
    <BLANKLINE>
    ─ split  █ used  · free  numbers are pages
    <BLANKLINE>
    page 5, free at order 0, cannot merge: its buddy, page 4, is used
    page 6, free at order 1, cannot merge: its buddy, page 4, is split
    page 8, free at order 3, cannot merge: its buddy, page 0, is split
    free(0) frees 5 pages, which merge into order 4 at page 0
    an allocation of order 2 splits page 8, order 3, once
    """

    def __init__(
        self,
        layout: Layout,
        page: SupportsIndex | None = None,
        order: SupportsIndex | None = None,
    ) -> None:
        self.layout = layout
        self._tree = Tree(layout, page, order)
        self._colours = order_colours(layout.top_order)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        tree = self._tree
        coloured = console.color_system is not None and not console.no_color
        fills = _ASCII_FILLS if options.ascii_only else _FILLS
        room = max(options.max_width - _MARGIN, _MIN_COLUMNS)
        columns = min(1 << (room.bit_length() - 1), _MAX_COLUMNS)
        size = self.layout.page_size
        yield Text(
            f"the block of order {tree.order} at page {tree.first}: "
            f"{in_bytes(size << tree.order)} from {tree.first * size:#x}"
        )
        yield Text()
        yield from cut_off(options, _MARGIN + columns)
        levels = tree.levels[: columns.bit_length()]
        for level in levels:
            order = level[0].order
            width = columns >> (tree.order - order)
            line = Text(f"order {order:2} ", no_wrap=True, overflow="crop")
            for node in level:
                place = _MARGIN + ((node.first - tree.first) >> order) * width
                line.append(" " * (place - line.cell_len))
                line.append_text(self._block(node, width, fills, coloured))
            yield line
        yield Text()
        yield _legend(fills, coloured)
        yield Text()
        for told in (*left_out(levels), *tree.explained()):
            yield Text(told)

    def _block(self, node: Node, width: int, fills: dict[Kind, str], coloured: bool) -> Text:
        """A block in so many columns; if possible, the last one is a gap."""
        bar, ink = self._styles(node) if coloured else (Style.null(), Style.null())
        wide = width - 1 if width > 1 else width
        for words in (f" {node.first} {node.kind.value} ", f" {node.first} "):
            if len(words) + _FILL_AROUND <= wide and node.kind is not Kind.OUTSIDE:
                break
        else:
            words = ""
        before = (wide - len(words)) // 2
        after = wide - before - len(words)
        fill = fills[node.kind]
        return Text.assemble((fill * before, bar), (words, ink), (fill * after, bar))

    def _styles(self, node: Node) -> tuple[Style, Style]:
        """The styles of the bar and of its label."""
        if node.kind in (Kind.SPLIT, Kind.OUTSIDE):
            return Style(dim=True), Style(dim=True)
        colour = self._colours[node.order] if node.kind is Kind.FREE else USED
        return Style(color=colour, bgcolor=colour), Style(color=ink_on(colour), bgcolor=colour)


def _legend(fills: dict[Kind, str], coloured: bool) -> Text:
    free = "in colour: free" if coloured else f"{fills[Kind.FREE]} free"
    used = (fills[Kind.USED], USED if coloured else "")
    return Text.assemble(f"{fills[Kind.SPLIT]} split  ", used, f" used  {free}  numbers are pages")
