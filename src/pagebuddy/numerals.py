"""Numbers of any length as text, for messages."""

from __future__ import annotations

LONGEST = 256
"""Bits of the longest number that is written out."""


def numeral(number: int) -> str:
    """Return a number's digits, or, where they would be too many to read, a bound of it.

    Python refuses to write more than some thousand digits, and an error about a wrong number must not
    itself fail.

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
