"""Whatever call meets another on the same buffer: no byte of another buffer is shown or changed."""

from __future__ import annotations

import random
import sys

import pytest

from verification.pair_machine.calls import CALLS
from verification.pair_machine.ground import (
    OUR_PAGES,
    OURS,
    PAGE,
    STRANGERS,
    ForeignByte,
    Ground,
)
from verification.pair_machine.meeting import (
    by_argument,
    by_garbage,
    by_step,
    by_turns,
    meet_everywhere,
    pairs,
    ways_of_everything,
)

# So many pairs of calls everyday and in a soak; a hunt takes all.
PAIRS = {
    "argument": (60, 1000),
    "garbage": (20, 1000),
    "threads": (40, 1000),
    "bytecode": (2, 90),
    "turns": (3, 400),
}


def chosen_pairs(chosen, n):
    """n pairs by chance. All calls are first equally often, as not all can meet another in each way."""
    firsts = chosen.sample(list(CALLS), len(CALLS))
    rows = [
        [(first, second) for second in chosen.sample(list(CALLS), len(CALLS))] for first in firsts
    ]
    return [pair for column in zip(*rows, strict=True) for pair in column][:n]


@pytest.mark.parametrize("way", PAIRS)
def test_no_pair_of_calls_touches_another_buffer(Arena, engine, way, effort):
    if way in ("bytecode", "turns") and engine == "compiled":
        pytest.skip("compiled code has no bytecodes")
    n = min(effort.pick(*PAIRS[way], len(pairs())), len(pairs()))
    meet = ways_of_everything(Arena, engine == "compiled")[way]
    chosen = chosen_pairs(random.Random(effort.seed), n)
    assert sum(meet(first, second) for first, second in chosen) >= n // 2


def test_all_pairs_are_chosen_in_the_end_and_each_call_comes_first_as_often():
    chosen = chosen_pairs(random.Random(5), len(pairs()))
    assert sorted(chosen) == sorted(pairs())
    assert sorted(first for first, _ in chosen[: 2 * len(CALLS)]) == sorted([*CALLS, *CALLS])


@pytest.mark.parametrize("first", ["view", "array of all", "copy", "arena.buffer_of"])
def test_uncompiled_nothing_is_seen_of_pages_that_a_resize_frees(Arena, engine, first, effort):
    if engine == "compiled":
        pytest.skip("compiled code has no bytecodes")
    ground, chosen = Ground(Arena), random.Random(effort.seed)
    for _ in range(effort.pick(40, 2000)):
        budgets = [chosen.randrange(40), chosen.randrange(200), chosen.randrange(20)]
        by_turns(ground, first, "shorten", budgets)


def test_a_call_in_the_middle_of_a_trim_does_not_wait_for_that_trim(Arena, engine, monkeypatch):
    kind = type(Arena(PAGE, page_size=PAGE)._attachment).__mro__[1]
    access = sys.modules[kind.__module__]
    monkeypatch.setattr(access, "TRIM_PATIENCE_S", 3600.0)
    way = by_garbage if engine == "compiled" else by_step
    assert meet_everywhere(Ground(Arena), way, "arena.trim", "arena.copy")


def wrong_view(ground, meet):
    """Show the bytes of another buffer after another call."""
    ground.buffer.release()
    meet()
    ground.stranger()
    ground.see(ground.strangers[-1])


def test_a_foreign_byte_is_noticed(Arena, monkeypatch):
    monkeypatch.setitem(CALLS, "wrong view", wrong_view)
    with pytest.raises(ForeignByte, match=r"'view' in the middle of 'wrong view'.*begins with ee"):
        meet_everywhere(Ground(Arena), by_argument, "wrong view", "view")


@pytest.mark.parametrize("wrong", ["shown", "stored", "lost"])
def test_each_kind_of_fault_is_noticed(Arena, wrong):
    ground = Ground(Arena)
    ground.begin()
    lost = None
    if wrong == "shown":
        ground.see(ground.left)
    elif wrong == "stored":
        ground.right.view[-1:] = OURS
    else:
        lost = ground.buffer.view
    with pytest.raises(
        ForeignByte, match={"shown": "11", "stored": "22", "lost": "15 pages"}[wrong]
    ):
        ground.check()
    del lost


def test_the_bytes_of_the_buffers_differ():
    assert OURS != STRANGERS
    assert OUR_PAGES > 4
