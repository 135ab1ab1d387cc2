"""Sizes as people write them: turns "64 KiB" into a number of bytes."""

from __future__ import annotations

from pagebuddy.arguments import whole

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
"""Names of 1024**0, 1024**1 … bytes."""

LARGEST_SIZE = 1 << 61
"""The largest size in bytes. Offsets from 2**62 on, in the file of an arena, are used for leases."""

_EXPONENTS = {unit.lower(): exponent for exponent, unit in enumerate(UNITS)} | {"": 0, "b": 0}
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SPACES = " \t\n\r\f\v"


def bytes_of(size: object, name: str = "size") -> int:
    """Return a size as a number of bytes.

    Parameters
    ----------
    size : int or str
        Bytes, or text: a number, which can have a decimal point, and a unit: "bytes", "B", none, or
        "KiB" to "EiB". Upper and lower case mean the same.
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
    exponent = _EXPONENTS.get(written[len(number) :].lower())
    units, point, part = number.rstrip(_SPACES).partition(".")
    digits = units + part
    if (
        exponent is None
        or not (digits.isascii() and digits.isdigit())
        or not units
        or (point and not part)
    ):
        raise ValueError(
            f"{name} is {text!r}; write a number and a unit ({', '.join(UNITS)}), such as '64 KiB'"
        )
    n_bytes, rest = divmod(int(digits) << 10 * exponent, int("1" + "0" * len(part)))
    if rest:
        raise ValueError(f"{name} is {text!r}, which is not a whole number of bytes")
    return n_bytes
