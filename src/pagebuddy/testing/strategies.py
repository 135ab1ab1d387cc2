"""Hypothesis strategies for the arguments of an allocator."""

from __future__ import annotations

from hypothesis import strategies as st

TOP = 1 << 64


@st.composite
def page_ranges(
    draw: st.DrawFn, *, max_ranges: int = 4, max_pages: int = 80
) -> list[tuple[int, int]]:
    """Return a strategy for page ranges that do not overlap.

    Parameters
    ----------
    max_ranges : int, optional
        The largest number of ranges. 4 by default.
    max_pages : int, optional
        The largest number of pages in a range. 80 by default.

    Returns
    -------
    strategy for list of (int, int)
        First page and number of pages of each range, in any order; some ranges are adjacent. The lowest
        page is near page 0, near 2^32 or 2^63, or such that the highest page is 2^64 - 1.

    Examples
    --------
    >>> from hypothesis import given
    >>> from pagebuddy import BuddyAllocator
    >>> @given(page_ranges(max_ranges=2))
    ... def test_pages_are_counted(ranges):
    ...     assert BuddyAllocator(ranges).n_pages == sum(n for _, n in ranges)
    >>> test_pages_are_counted()
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
