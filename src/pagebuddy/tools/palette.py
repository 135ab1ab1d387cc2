"""The colours of pictures, in terminals and files alike."""

from __future__ import annotations

USED = "#8a94a3"

# From the smallest free blocks to the largest: dark and warm means broken up, pale means whole. The
# lightness rises throughout, so that it reads without colour vision and in print.
_RAMP = ("#5b1a5c", "#b5305f", "#ec6c50", "#f7b35b", "#f4e3a1", "#daf2e1")


def order_colours(max_order: int) -> list[str]:
    """A colour for free blocks of each order from 0 to `max_order`, as #rrggbb.

    >>> len(order_colours(10)), order_colours(0)
    (11, ['#daf2e1'])
    """
    if max_order == 0:
        return [_RAMP[-1]]
    return [_on_ramp(order / max_order) for order in range(max_order + 1)]


def _on_ramp(share: float) -> str:
    place = share * (len(_RAMP) - 1)
    i = min(int(place), len(_RAMP) - 2)
    low, high = (_channels(colour) for colour in _RAMP[i : i + 2])
    mixed = (round(a + (b - a) * (place - i)) for a, b in zip(low, high, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def is_dark(colour: str) -> bool:
    """Must text on this colour be light?

    >>> is_dark("#101010"), is_dark("#f4e3a1")
    (True, False)
    """
    red, green, blue = _channels(colour)
    return 299 * red + 587 * green + 114 * blue < 128_000


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
