"""Free blocks by order, as a table with bars for a terminal. Used by `stat`."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderResult
from rich.style import Style
from rich.text import Text

from pagebuddy.tools.pictures.layout import Layout
from pagebuddy.tools.pictures.palette import ink_on, order_colours
from pagebuddy.tools.terminal.units import in_bytes

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_MIN_BAR = 4


class FreeByOrder:
    """The number and total size of the free blocks of each order, for a rich console.

    Needs 40 columns; bars use the remaining width. Orders have the same colours as in `Picture`. With
    `most`, prints only so many orders, the highest that have free blocks, and a summary of the others.

    >>> from pagebuddy import BuddyAllocator
    >>> buddy = BuddyAllocator(16)
    >>> page = buddy.alloc(5)
    >>> Console(width=50, color_system=None).print(FreeByOrder(Layout.of(buddy)))
    order     block  blocks     total
        0     4 KiB       1     4 KiB ██
        1     8 KiB       1     8 KiB ████
        2    16 KiB       0   0 bytes
        3    32 KiB       1    32 KiB ████████████████
        4    64 KiB       0   0 bytes
    """

    def __init__(self, layout: Layout, *, most: int | None = None) -> None:
        self.layout = layout
        self.most = most

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        size = self.layout.page_size
        coloured = console.color_system is not None and not console.no_color
        counts = self.layout.n_blocks.tolist()
        colours = order_colours(self.layout.top_order)
        digits = max(len(f"{max(counts):,}"), len("blocks"))
        head = f"order {'block':>9}  {'blocks':>{digits}} {'total':>9}"
        yield Text(head, style="bold", no_wrap=True, overflow="crop")
        most = max(count << order for order, count in enumerate(counts)) or 1
        room = max(options.max_width - len(head) - 1, _MIN_BAR)
        orders = [k for k, count in enumerate(counts) if count or self.most is None]
        left_out = max(len(orders) - (len(counts) if self.most is None else self.most), 0)
        lower, orders = orders[:left_out], orders[left_out:]
        for order in orders:
            count, colour = counts[order], colours[order]
            line = Text(no_wrap=True, overflow="crop")
            swatch = Style(color=ink_on(colour), bgcolor=colour) if coloured else ""
            line.append("  ").append(f"{order:>3}", swatch)
            together = in_bytes((count << order) * size)
            line.append(f" {in_bytes(size << order):>9}  {count:>{digits},} {together:>9} ")
            line.append(_bar((count << order) / most * room, options.ascii_only))
            line.rstrip()
            yield line
        if lower:
            together = in_bytes(sum(counts[order] << order for order in lower) * size)
            told = f"and {together} in smaller blocks"
            yield Text(told, no_wrap=True, overflow="crop")


def _bar(length: float, ascii_only: bool) -> str:
    """A bar of so many columns, rounded up, so that only 0 is empty."""
    if ascii_only:
        return "#" * -int(-length // 1)
    eighths = -int(-length * 8 // 1)
    return _EIGHTHS[-1] * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
