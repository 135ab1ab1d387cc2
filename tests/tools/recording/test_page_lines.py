"""Lines made by whole columns: the same as made one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pagebuddy.tools.recording.page_lines import lines

STORIES = st.lists(st.tuples(st.booleans(), st.integers(0, 2**64 - 1), st.integers(0, 31)))


@given(STORIES)
def test_whole_columns_at_once_are_written_as_line_by_line(story):
    is_alloc, pfn, order = zip(*story, strict=True) if story else ((), (), ())
    text = lines(np.array(is_alloc, "?"), np.array(pfn, "u8"), np.array(order, "u1"))
    one_by_one = [
        b"%s,%d,%d\n" % (b"alloc" if is_alloc else b"free", pfn, order)
        for is_alloc, pfn, order in story
    ]
    assert text == b"".join(one_by_one)
