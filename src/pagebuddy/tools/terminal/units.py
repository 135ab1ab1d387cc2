"""Numbers with units as text, used by all reports and pictures."""

from __future__ import annotations

from pagebuddy.memory.sizes import UNITS


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


def in_percent(share: float) -> str:
    """A share from 0 to 1 as percent; only exact values print as 0 % and 100 %.

    >>> in_percent(0.0), in_percent(0.0413), in_percent(0.00001), in_percent(0.99999)
    ('0 %', '4.1 %', '< 0.1 %', '> 99.9 %')
    """
    if share in (0, 1):
        return f"{share:.0%}".replace("%", " %")
    if share < 0.001:
        return "< 0.1 %"
    if share > 0.999:
        return "> 99.9 %"
    return f"{100 * share:.1f} %"


def counted(n: int, what: str) -> str:
    """A number and a noun, in the plural unless it is 1.

    >>> counted(1, "page"), counted(258857, "page")
    ('1 page', '258,857 pages')
    """
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
