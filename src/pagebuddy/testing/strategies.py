"""Hypothesis strategies for what an allocator is made from."""

from __future__ import annotations

from hypothesis import strategies as st

TOP = 1 << 64


@st.composite
def page_ranges(
    draw: st.DrawFn, *, max_ranges: int = 4, max_pages: int = 80
) -> list[tuple[int, int]]:
    """Ranges (first, n) that do not overlap, in any order, some touching, of any start and length.

    Starts lie at page 0, at the top of the number space, and at odd places between.
    """
    lengths = draw(st.lists(st.integers(1, max_pages), min_size=1, max_size=max_ranges))
    gaps = draw(
        st.lists(
            st.sampled_from([0, 0, 1, 3, 64, 1 << 20]),
            min_size=len(lengths) - 1,
            max_size=len(lengths) - 1,
        )
    )
    extent = sum(lengths) + sum(gaps)
    start = draw(
        st.one_of(
            st.sampled_from([0, 1, TOP - extent, (1 << 63) - 7, (1 << 32) - 33]),
            st.integers(0, 200),
        )
    )
    ranges: list[tuple[int, int]] = []
    for n, gap in zip(lengths, [*gaps, 0], strict=True):
        ranges.append((start, n))
        start += n + gap
    return draw(st.permutations(ranges))
