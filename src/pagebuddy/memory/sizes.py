"""Sizes as people write them."""

from __future__ import annotations

import re

from pagebuddy.arguments import whole

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
"""Names of 1024**0, 1024**1 … bytes."""

LARGEST_SIZE = 1 << 61
"""The most bytes that anything has here: from 2**62 on, a file's bytes stand for leases."""

_SIZE = re.compile(r"(\d+)(?:\.(\d+))?\s*([a-z]*)", re.ASCII | re.IGNORECASE)
_EXPONENTS = {unit.lower(): exponent for exponent, unit in enumerate(UNITS)} | {"": 0, "b": 0}


def bytes_of(size: object, name: str = "size") -> int:
    """Return a size as a number of bytes, from an int or from text.

    Text is a number, perhaps with a decimal point, and a unit: "bytes", "B", none at all, or "KiB" to
    "EiB" in any case. Raises TypeError for anything else than int or text, ValueError for text that
    is no size, for less than one byte, and for more than 2**61.

    >>> bytes_of("64 KiB"), bytes_of("2GiB"), bytes_of("1.5 MiB"), bytes_of(100)
    (65536, 2147483648, 1572864, 100)
    """
    if isinstance(size, str):
        size = _parsed(size, name)
    if isinstance(size, bool) or not hasattr(size, "__index__"):
        raise TypeError(
            f"{name} is {size!r}; it must be a whole number of bytes, or text such as '64 KiB'"
        )
    return whole(size, name, least=1, most=LARGEST_SIZE)


def rounded_up(n_bytes: int, grain: int) -> int:
    """Return the least multiple of grain that is no less than n_bytes.

    >>> rounded_up(1, 4096), rounded_up(8192, 4096)
    (4096, 8192)
    """
    return -(-n_bytes // grain) * grain


def _parsed(text: str, name: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[3].lower() not in _EXPONENTS:
        raise ValueError(
            f"{name} is {text!r}; write a number and a unit of {', '.join(UNITS)}, "
            "'64 KiB' for example"
        )
    units, part, exponent = match[1], match[2] or "", _EXPONENTS[match[3].lower()]
    n_bytes, rest = divmod(int(units + part) << 10 * exponent, int("1" + "0" * len(part)))
    if rest:
        raise ValueError(f"{name} is {text!r}, which is no whole number of bytes")
    return n_bytes
