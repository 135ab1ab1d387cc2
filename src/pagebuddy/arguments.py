"""Check arguments: convert them to plain ints, or raise an error that names them. Numbers as text."""

from __future__ import annotations

from operator import index

PAGE_NUMBERS = 1 << 64
LAST_PAGE = PAGE_NUMBERS - 1

# Bits of the longest number that a message writes out in digits.
LONGEST = 256


UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
"""Names of 1024**0, 1024**1 … bytes."""


def whole(value: object, name: str, *, least: int | None = 0, most: int | None = None) -> int:
    """Return a value as an int from least to most; None is no limit.

    Raises TypeError if it is not an integer, ValueError if it is outside the limits.

    >>> whole(3, "n_pages", least=1)
    3
    >>> whole(0, "n_pages", least=1)
    Traceback (most recent call last):
        ...
    ValueError: n_pages is 0; it must be at least 1
    """
    try:
        number = index(value)  # type: ignore[arg-type]
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"{name} is {value!r}, a {kind}; it must be an integer") from None
    if least is not None and number < least:
        raise ValueError(f"{name} is {numeral(number)}; it must be at least {least}")
    if most is not None and number > most:
        raise ValueError(f"{name} is {numeral(number)}; it must be at most {most}")
    return number


def power_of_two(value: object, name: str, *, most: int) -> int:
    """Return a value as an int, if it is a power of two up to `most`.

    Raises TypeError if it is not an integer, ValueError if it is not such a power of two.

    >>> power_of_two(4096, "page_size", most=1 << 40)
    4096
    >>> power_of_two(4097, "page_size", most=1 << 40)
    Traceback (most recent call last):
        ...
    ValueError: page_size is 4097; it must be a power of two, 4096 or 8192 for example
    """
    number = whole(value, name, least=1, most=most)
    if number & (number - 1):
        below = 1 << (number.bit_length() - 1)
        raise ValueError(
            f"{name} is {numeral(number)}; it must be a power of two, "
            f"{numeral(below)} or {numeral(2 * below)} for example"
        )
    return number


def numeral(number: int) -> str:
    """Return a number as text for a message: its digits, or a bound if there are too many.

    Python refuses to write a number of more than a few thousand digits, and a message must not fail.

    >>> numeral(-12), numeral(1 << 20_000), numeral(-3 << 20_000)
    ('-12', '2^20000', 'less than -2^20001')
    """
    length = number.bit_length()
    if length <= LONGEST:
        return str(number)
    power = f"{'-' if number < 0 else ''}2^{length - 1}"
    if abs(number) == 1 << (length - 1):
        return power
    return f"{'less' if number < 0 else 'more'} than {power}"


def in_bytes(n: int) -> str:
    """A number of bytes as text: in the largest unit that fits, three digits.

    >>> in_bytes(512), in_bytes(4096), in_bytes(1_085_767_680), in_bytes(2**44), in_bytes(2**30 - 1)
    ('512 bytes', '4 KiB', '1.01 GiB', '16 TiB', '1 GiB')
    """
    exponent = max(min((n.bit_length() - 1) // 10, len(UNITS) - 1), 0)
    value = n / (1 << 10 * exponent)
    if f"{value:.0f}" == "1024" and exponent < len(UNITS) - 1:
        # It would print as 1024 of this unit: use 1 of the next.
        exponent, value = exponent + 1, 1.0
    return f"{value:.0f} {UNITS[exponent]}" if value >= 1000 else f"{value:.3g} {UNITS[exponent]}"


def counted(n: int, what: str) -> str:
    """A number and a noun, in the plural unless it is 1.

    >>> counted(1, "page"), counted(258857, "page")
    ('1 page', '258,857 pages')
    """
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
