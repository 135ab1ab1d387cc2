"""The colours of all pictures."""

from __future__ import annotations

from typing import NamedTuple

USED = "#8a94a3"

# From the smallest free blocks (dark, warm) to the largest (pale). The lightness increases, so that it
# is readable in print and without colour vision.
_RAMP = ("#5b1a5c", "#b5305f", "#ec6c50", "#f7b35b", "#f4e3a1", "#daf2e1")

# Colours for all kinds of colour vision: M. Okabe and K. Ito, "Color Universal Design" (2002); without
# black and yellow, which are hardly visible on a dark or a light background.
_HOLDERS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
N_HOLDERS = len(_HOLDERS)
"""The number of holders with their own colour; all others share one."""


class Theme(NamedTuple):
    """The colours of the background and of the text."""

    paper: str
    ink: str


LIGHT = Theme(paper="#fcfbf8", ink="#22262b")
DARK = Theme(paper="#1a1d21", ink="#e7e5df")

# The opacities of the text colour; only this colour differs between dark and light.
TONES = {"ink": 1.0, "faint": 0.7, "rule": 0.3, "quiet": 0.12}


def order_colours(max_order: int) -> list[str]:
    """A colour for free blocks of each order from 0 to `max_order`, as #rrggbb.

    >>> len(order_colours(10)), order_colours(0)
    (11, ['#daf2e1'])
    """
    if max_order == 0:
        return [_RAMP[-1]]
    return [_on_ramp(order / max_order) for order in range(max_order + 1)]


def holder_colour(place: int) -> str:
    """The colour of the holder at this index, which is 0 for the one with the most pages.

    >>> holder_colour(0), holder_colour(6) == holder_colour(-1) == USED
    ('#0072b2', True)
    """
    return _HOLDERS[place] if 0 <= place < N_HOLDERS else USED


def _on_ramp(share: float) -> str:
    place = share * (len(_RAMP) - 1)
    i = min(int(place), len(_RAMP) - 2)
    low, high = (_channels(colour) for colour in _RAMP[i : i + 2])
    mixed = (round(a + (b - a) * (place - i)) for a, b in zip(low, high, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def ink_on(colour: str) -> str:
    """The colour of text on a colour: black or white.

    >>> ink_on("#101010"), ink_on("#f4e3a1")
    ('#ffffff', '#000000')
    """
    red, green, blue = _channels(colour)
    return "#ffffff" if 299 * red + 587 * green + 114 * blue < 128_000 else "#000000"


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
