"""Numbers with units as text, used by all reports and pictures."""

from __future__ import annotations

from pagebuddy.arguments import counted as counted
from pagebuddy.arguments import in_bytes as in_bytes


def shown(text: str) -> str:
    r"""A name that others chose, without characters that a terminal would interpret.

    >>> shown("frames"), shown("a\x1b[2Jb\nc"), shown("gr\xfcn"), shown("a\u202eb")
    ('frames', 'a\\x1b[2Jb\\nc', 'grün', 'a\\u202eb')
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def in_time(seconds: float) -> str:
    """A time span as text: in the largest unit that fits, rounded down. What lies ahead is 0 s.

    >>> in_time(0.9), in_time(59), in_time(3599), in_time(7200), in_time(200_000), in_time(-5)
    ('0 s', '59 s', '59 min', '2 h', '2 days', '0 s')
    """
    whole = max(int(seconds), 0)
    for length, unit in (86_400, "day"), (3600, "h"), (60, "min"):
        if whole >= length:
            count = whole // length
            return counted(count, unit) if unit == "day" else f"{count} {unit}"
    return f"{whole} s"


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
