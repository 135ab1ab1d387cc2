"""An arena's buffers as spans: who holds them, in the words of a picture."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from pagebuddy.tools.pictures.buffer_rows import span_rows
from pagebuddy.tools.pictures.layout import NOBODY, Layout


class Row(NamedTuple):
    offset: int = 0
    n_pages: int = 1
    kept: bool = False
    holders: tuple[object, ...] = ()
    tickets: int = 0


@pytest.mark.parametrize(
    ("row", "holder"),
    [
        (Row(holders=(17,)), "17"),
        (Row(holders=(17,), tickets=2, kept=True), "17"),
        (Row(holders=(17, 18)), "several"),
        (Row(kept=True), "kept"),
        (Row(kept=True, tickets=1), "sent"),
        (Row(tickets=1), "sent"),
    ],
)
def test_who_holds_it(row, holder):
    (span,) = span_rows([row._replace(offset=5 * 65536, n_pages=3)], page_size=65536)
    assert span[:2] == (5, 3)
    layout = Layout.from_rows([(0, 8)], [], [span], page_size=65536, max_order=3)
    assert layout.holders == (holder,)


def test_one_whose_holders_died_is_nobodys():
    spans = span_rows([Row(), Row(offset=4096, holders=("a",))], page_size=4096)
    layout = Layout.from_rows([(0, 8)], [], spans, page_size=4096, max_order=3)
    assert sorted(layout.holders) == ["a", NOBODY]
