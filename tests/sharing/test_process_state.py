"""One interpreter can act as several processes by switching between their states."""

import pytest

from pagebuddy import Arena as ChosenArena
from pagebuddy.buffers import uncompiled
from pagebuddy.sharing.process_state import ProcessState, current, switch_to


@pytest.fixture
def other():
    """A second process. The first is active again at the end."""
    state = ProcessState()
    state.engine = uncompiled
    first = current()
    yield state
    switch_to(first)


def test_each_process_attaches_for_itself(silent, other):
    Arena = type("Arena", (ChosenArena,), {"_engine": uncompiled})
    mine = Arena("1 MiB", lock="file")
    first = switch_to(other)
    theirs = Arena.attach(mine.fileno())
    buffer = theirs.alloc(5000)
    assert theirs._attachment is not mine._attachment
    assert switch_to(first) is other
    assert Arena.attach(mine.fileno())._attachment is mine._attachment
    assert [row.holders for row in mine.buffers()] == [(2,)]
    assert [(row.slot, row.me) for row in mine.processes()] == [(1, True), (2, False)]
    del buffer
    assert mine.stats().used == 0
