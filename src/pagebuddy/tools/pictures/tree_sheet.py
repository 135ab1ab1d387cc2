"""The tree of a block as a drawing: a row per order, a bar per block. Used by `map --tree --svg`."""

from __future__ import annotations

from textwrap import wrap

from pagebuddy.tools.pictures.drawing import USUAL_WIDTH, Box, Drawing, Words, check_width, letters
from pagebuddy.tools.pictures.palette import USED, ink_on, order_colours
from pagebuddy.tools.pictures.tree import Kind, Node, Tree, left_out
from pagebuddy.tools.terminal.units import in_bytes

_MARGIN = 14.0
_LABEL = 116.0  # the orders and their sizes, left of the rows
_ROW, _GAP = 27.0, 1.5
_SIZE, _SMALL = 11.5, 10.5
_NARROWEST_FRAME = 5.0
_TOLD = (
    "A split makes two buddies of a block; two free buddies are merged. "
    "Outlined: split; grey: used; coloured: free. Numbers are pages."
)


def tree_sheet(tree: Tree, *, width: float = USUAL_WIDTH) -> Drawing:
    """Draw a tree `width` pixels wide, at least 320.

    Each row is an order; the width of a block is proportional to its size. Free blocks have the colour
    of their order, used ones are grey, split ones framed. Explanations follow below. Raises `ValueError`
    for a small width.

    >>> from pagebuddy import BuddyAllocator
    >>> from pagebuddy.tools.pictures.layout import Layout
    >>> tree_sheet(Tree(Layout.of(BuddyAllocator(64)))).title
    'The block of order 6 at page 0: 256 KiB from 0x0'
    """
    check_width(width)
    size = tree.layout.page_size
    title = (
        f"The block of order {tree.order} at page {tree.first}: "
        f"{in_bytes(size << tree.order)} from {tree.first * size:#x}"
    )
    drawing = Drawing(title, width)
    y = drawing.heading(_MARGIN, _TOLD)
    for level in tree.levels:
        order = level[0].order
        middle = y + _ROW / 2
        label, block = f"order {order}", in_bytes(size << order)
        drawing.words.append(Words(_MARGIN, middle, label, _SIZE))
        drawing.words.append(Words(_LABEL - 8, middle, block, _SMALL, "faint", "end"))
        for node in level:
            _draw_block(drawing, tree, node, y)
        y += _ROW + _GAP
    y += 8
    for note in (*left_out(tree.levels), *tree.explained()):
        for i, line in enumerate(wrap(note, letters(width - 2 * _MARGIN - 10, _SIZE))):
            drawing.words.append(Words(_MARGIN + (10 if i else 0), y + 8, line, _SIZE, "faint"))
            y += 16
    drawing.height = y + _MARGIN
    return drawing


def _draw_block(drawing: Drawing, tree: Tree, node: Node, top: float) -> None:
    if node.kind is Kind.OUTSIDE:
        return
    unit = (drawing.width - _MARGIN - _LABEL) / (1 << (tree.order - node.order))
    left = _LABEL + ((node.first - tree.first) >> node.order) * unit
    wide = max(unit - _GAP, unit / 2)
    ink = "faint"
    if node.kind is Kind.SPLIT:
        drawing.boxes += _frame(left, top, wide, _ROW)
    else:
        colours = order_colours(tree.layout.top_order)
        fill = colours[node.order] if node.kind is Kind.FREE else USED
        drawing.boxes.append(Box(left, top, wide, _ROW, fill))
        ink = ink_on(fill)
    for words in (f"{node.first} {node.kind.value}", f"{node.first}"):
        if len(words) + 1 <= letters(wide, _SMALL):
            x, y = left + wide / 2, top + _ROW / 2
            drawing.words.append(Words(x, y, words, _SMALL, ink, "middle"))
            return


def _frame(left: float, top: float, wide: float, high: float) -> list[Box]:
    """A thin frame around a split block, open at the bottom."""
    if wide < _NARROWEST_FRAME:
        return [Box(left, top, wide, high, "quiet")]
    return [
        Box(left, top, wide, 1, "rule"),
        Box(left, top + 1, 1, high - 1, "rule"),
        Box(left + wide - 1, top + 1, 1, high - 1, "rule"),
    ]
