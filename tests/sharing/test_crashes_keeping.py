"""A process may die before any store of keep and unkeep, however many keys there are.

With each key more, the directory gets a bucket more, which takes its entries from another; a key less
leaves an entry that is used again. After each death all keys are found, and room for as many.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from pagebuddy import OutOfKeys
from pagebuddy.core.words import FIRST_NODE
from pagebuddy.sharing import words as w
from tests.sharing.test_crashes import Mortal

PAGE = 64
MOST_KEYS = 10


class Scene:
    """An arena with some keys that a mortal process put there, and buffers without one that it holds."""

    def __init__(self, Arena, n_keys, n_forgotten):
        self.arena = Arena(40 * PAGE, page_size=PAGE, keys=MOST_KEYS, lock="file")
        self.medium = self.arena._attachment.medium
        self.mortal = mortal = Mortal(self.arena.fileno())
        self.nodes = [mortal.alloc(1) for _ in range(n_keys + n_forgotten + 1)]
        for number, node in enumerate(self.nodes[:-1]):
            mortal.keep(node, f"{number}", now_ms=1000 * number)
        for node in self.nodes[n_keys:-1]:
            mortal.ask(w.OP_UNKEEP, node)
        # What has a key is held by nobody, so that it is freed when it has none.
        for node in self.nodes[:n_keys]:
            mortal.ask(w.OP_DROP, node)
        mortal.save()
        self.bytes = bytes(self.medium.memory)

    def outcome(self):
        """Continue after a death; return the keys and the nodes and times of their buffers."""
        self.arena.reap()
        self.arena.verify()
        kept = {
            row.key: (row.offset // PAGE + FIRST_NODE, row.kept_at)
            for row in self.arena.buffers()
            if row.kept
        }
        for key, (node, _) in kept.items():
            assert self.arena[key].offset == (node - FIRST_NODE) * PAGE
        assert "absent" not in self.arena
        self.fill(kept)
        return kept

    def fill(self, kept):
        """Keep as many buffers as there may be, and forget all."""
        more = [self.arena.alloc(PAGE) for _ in range(MOST_KEYS - len(kept))]
        for number, buffer in enumerate(more):
            buffer.keep(f"more {number}")
        buffer = self.arena.alloc(PAGE)
        with pytest.raises(OutOfKeys):
            buffer.keep()
        self.arena.verify()
        for key in self.arena:
            self.arena[key].unkeep()
            assert key not in self.arena
        self.arena.verify()
        assert self.arena.stats().kept == 0

    def outcomes(self, operation):
        """Kill the mortal before each store of an operation in turn, and yield what is then there."""
        stores, more = 0, True
        while more:
            self.medium.memory[:] = self.bytes
            self.mortal.revive()
            more = self.mortal.die_in(operation, stores)
            yield self.outcome()
            stores += 1


def check(seen, after):
    """Check that one store changed what was kept, and nothing else did."""
    assert seen[-1] == after
    assert seen[0] != after
    assert all(kept in (seen[0], after) for kept in seen)
    assert sum(one != other for one, other in pairwise(seen)) == 1


@pytest.mark.parametrize("n_forgotten", [0, 2])
@pytest.mark.parametrize("n_keys", [0, 1, 2, 3, 7])
def test_a_key_is_added_by_one_store(Arena, n_keys, n_forgotten):
    scene = Scene(Arena, n_keys, n_forgotten)
    node = scene.nodes[-1]
    seen = list(scene.outcomes(lambda mortal: mortal.keep(node, "new", now_ms=99_000)))
    check(seen, seen[0] | {"new": (node, 99.0)})
    assert len(seen[0]) == n_keys


@pytest.mark.parametrize("n_keys", [1, 2, 5])
def test_a_key_is_removed_by_one_store(Arena, n_keys):
    scene = Scene(Arena, n_keys, 1)
    for number in {0, n_keys - 1}:
        node = scene.nodes[number]
        seen = list(scene.outcomes(lambda mortal, node=node: mortal.ask(w.OP_UNKEEP, node)))
        left = {key: value for key, value in seen[0].items() if key != f"{number}"}
        check(seen, left)


@pytest.mark.parametrize("n_keys", [1, 2, 5])
def test_what_a_key_keeps_is_forgotten_by_one_store(Arena, n_keys):
    scene = Scene(Arena, n_keys, 1)
    for number in {0, n_keys - 1}:
        key = f"{number}"
        seen = list(scene.outcomes(lambda mortal, key=key: mortal.ask(w.OP_FORGET, key=key)))
        check(seen, {other: value for other, value in seen[0].items() if other != key})


@pytest.mark.parametrize("n_keys", [2, MOST_KEYS])
def test_a_key_is_taken_from_another_buffer_by_one_store(Arena, n_keys):
    """Also if the directory is full."""
    scene = Scene(Arena, n_keys, 0)
    node = scene.nodes[-1]
    seen = list(scene.outcomes(lambda mortal: mortal.keep(node, "1", replace=True, now_ms=99_000)))
    check(seen, seen[0] | {"1": (node, 99.0)})


@pytest.mark.parametrize("n_keys", [2, MOST_KEYS])
def test_a_buffer_moves_to_another_key_by_one_store(Arena, n_keys):
    """To a new one, and to one that another buffer had."""
    scene = Scene(Arena, n_keys, 0)
    node = scene.nodes[1]
    for key in ("new", "0"):
        seen = list(
            scene.outcomes(
                lambda mortal, key=key: mortal.keep(node, key, replace=True, now_ms=99_000)
            )
        )
        left = {old: value for old, value in seen[0].items() if old != "1"}
        check(seen, left | {key: (node, 99.0)})
