"""Sizes as people write them: turns "64 KiB" into a number of bytes."""

from __future__ import annotations

from pagebuddy.arguments import UNITS, whole

LARGEST_SIZE = 1 << 61
"""The largest size in bytes. Offsets from 2**62 on, in the file of an arena, are used for leases."""

# Bytes in each unit, in lower case: "" and "b", and for each letter "k", "ki" and "kib", and "kb".
_FACTORS = {"": 1, "b": 1, "bytes": 1}
for _exponent, _unit in enumerate(UNITS[1:], 1):
    _letter = _unit[0].lower()
    _FACTORS |= dict.fromkeys((_letter, f"{_letter}i", f"{_letter}ib"), 1 << 10 * _exponent)
    _FACTORS[f"{_letter}b"] = 1000**_exponent

_ALLOWED = (
    "write a number and a unit: bytes; KiB, MiB, GiB, TiB, PiB or EiB, or K, M, G, T, P or E for short "
    "(powers of 1024); KB, MB, GB, TB, PB or EB (powers of 1000); for example '64 KiB'"
)
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SPACES = " \t\n\r\f\v"


def bytes_of(size: object, name: str = "size") -> int:
    """Return a size as a number of bytes.

    Parameters
    ----------
    size : int or str
        Bytes, or text: a number, which can have a decimal point, and a unit. "KiB" to "EiB", "Ki" to
        "Ei" and "K" to "E" are powers of 1024; "KB" to "EB" are powers of 1000; "bytes", "B" or no unit
        are bytes. Upper and lower case mean the same.
    name : str
        Name of the parameter, for messages.

    Raises
    ------
    TypeError
        If `size` is neither an integer nor text.
    ValueError
        If the text is not a size, or the size is less than one byte or more than 2**61.

    Examples
    --------
    >>> bytes_of("64 KiB"), bytes_of("2GiB"), bytes_of("1.5 MiB"), bytes_of(100)
    (65536, 2147483648, 1572864, 100)
    >>> bytes_of("512M"), bytes_of("512Mi"), bytes_of("64 GB")
    (536870912, 536870912, 64000000000)
    """
    if isinstance(size, str):
        size = _parsed(size, name)
    if isinstance(size, bool) or not hasattr(size, "__index__"):
        raise TypeError(
            f"{name} is {size!r}; it must be a whole number of bytes, or text such as '64 KiB'"
        )
    return whole(size, name, least=1, most=LARGEST_SIZE)


def rounded_up(n_bytes: int, grain: int) -> int:
    """Return the smallest multiple of `grain` that is at least `n_bytes`.

    >>> rounded_up(1, 4096), rounded_up(8192, 4096)
    (4096, 8192)
    """
    return -(-n_bytes // grain) * grain


def _parsed(text: str, name: str) -> int:
    # Not `re`, which is slow to import.
    written = text.strip()
    number = written.rstrip(_LETTERS)
    factor = _FACTORS.get(written[len(number) :].lower())
    units, point, part = number.rstrip(_SPACES).partition(".")
    digits = units + part
    if (
        factor is None
        or not (digits.isascii() and digits.isdigit())
        or not units
        or (point and not part)
    ):
        raise ValueError(f"{name} is {text!r}; {_ALLOWED}")
    n_bytes, rest = divmod(int(digits) * factor, int("1" + "0" * len(part)))
    if rest:
        raise ValueError(f"{name} is {text!r}, which is not a whole number of bytes")
    return n_bytes
