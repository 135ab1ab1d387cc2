"""Notes in a trace: what is one, and that reading a trace finds them."""

from __future__ import annotations

import pytest

from pagebuddy.arena.recording import note
from pagebuddy.tools.traces.page_csv import parse
from pagebuddy.tools.traces.recorder_notes import noted


def test_what_is_noted_is_found_in_a_trace():
    events = parse(note("lost", 5) + b"alloc,1,2\n" + note("failed", 10**18) + b"# lost 4\r\n")
    assert (events.failed, events.lost, events.is_alloc.size) == (10**18, 9, 1)


@pytest.mark.parametrize(
    "line", [b"# lost x", b"#lost 3", b"# lost 3 events", b"# lost -3", b"# found 3", b" # lost 3"]
)
def test_other_comments_note_nothing(line):
    assert noted(line + b"\n") == (0, 0)
