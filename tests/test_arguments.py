"""Numbers of any length as text."""

from __future__ import annotations

import pytest

from pagebuddy.arguments import numeral


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (-7, "-7"),
        (10**30, "1" + "0" * 30),
        ((1 << 256) - 1, str((1 << 256) - 1)),
        (1 - (1 << 256), str(1 - (1 << 256))),
        (1 << 256, "2^256"),
        ((1 << 256) + 1, "more than 2^256"),
        ((1 << 257) - 1, "more than 2^256"),
        (-(1 << 256), "-2^256"),
        (-(1 << 256) - 1, "less than -2^256"),
        (1 << 1_000_000, "2^1000000"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_number_as_text(number, text):
    assert numeral(number) == text
