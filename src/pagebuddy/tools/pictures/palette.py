"""The colours of pictures, in terminals and files alike."""

from __future__ import annotations

from typing import NamedTuple

USED = "#8a94a3"

# From the smallest free blocks to the largest: dark and warm means broken up, pale means whole. The
# lightness rises throughout, so that it reads without colour vision and in print.
_RAMP = ("#5b1a5c", "#b5305f", "#ec6c50", "#f7b35b", "#f4e3a1", "#daf2e1")

# M. Okabe and K. Ito's colours, "Color Universal Design" (2002), which those can tell apart who see
# fewer; without their black and yellow, each of which drowns on one of dark and light.
_HOLDERS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
N_HOLDERS = len(_HOLDERS)
"""So many holders have a colour of their own; all others share one."""


class Theme(NamedTuple):
    """What pictures are drawn on, and with what."""

    paper: str
    ink: str


LIGHT = Theme(paper="#fcfbf8", ink="#22262b")
DARK = Theme(paper="#1a1d21", ink="#e7e5df")

# Ink, thinner and thinner, is all that differs between dark and light.
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
    """The colour of the holder at this place, the one with the most pages being at 0.

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
