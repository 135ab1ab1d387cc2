"""Programs as users write them: type checkers find nothing wrong, and know the types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import pagebuddy as pb

arena = pb.Arena("1 MiB", page_size=4096, max_order=8, slots=48, lock="file", reserve=True)
assert_type(
    pb.Arena.create("name", 1 << 20, populate=True, huge="transparent", mode=0o644), pb.Arena
)
assert_type(pb.Arena.attach("name"), pb.Arena)
assert_type(pb.Arena.open("name", "1 GiB", slots=112, lock="file", keys=9), pb.Arena)
assert_type(pb.Arena.file("store.pb", reserve=True), pb.Arena)
assert_type(pb.Arena.over(bytearray(1 << 20), keys=100), pb.Arena)


class Larger(pb.Arena):
    """An arena of a program's own."""


assert_type(Larger.attach("name"), Larger)

buffer = arena.alloc(100, align="64 KiB", keep="a", zero=True, timeout=1)
assert_type(buffer, pb.Buffer)
assert_type(arena["a"], pb.Buffer)
assert_type("a" in arena, bool)
assert_type(arena.keys(), list[str])
assert_type(memoryview(buffer)[0], int)
assert_type(bytes(buffer.view), bytes)
assert_type(buffer.resize(5), bool)
assert_type(buffer.nbytes, int)
assert_type(buffer.array((2, 3), "i4"), NDArray[Any])

assert_type(arena.empty((2, 3)), NDArray[Any])
assert_type(arena.zeros(3, np.float32, "F"), NDArray[Any])
assert_type(arena.full([2, 2], 7, "u1"), NDArray[Any])
assert_type(arena.copy([[1, 2], [3, 4]]), NDArray[Any])
assert_type(arena.buffer_of(np.zeros(3)), pb.Buffer)

assert_type(arena.dumps([1]), bytes)
assert_type(arena.queue(), pb.ArenaQueue)
topic = arena.topic("frames", history=4, policy="block")
assert_type(topic, pb.ArenaTopic)
assert_type((topic.history, topic.policy, topic.unlink()), tuple[int, str, bool])
with topic.subscribe(replay=1) as frames:
    assert_type(frames, pb.Subscription)
    assert_type(frames.missed, int)
assert_type(arena.stats(), pb.ArenaStats)
assert_type(arena.stats().largest_free, int)
assert_type((arena.stats().kept, arena.stats().keys), tuple[int, int])
assert_type([row.offset for row in arena.buffers()], list[int])
assert_type([row.kept_at for row in arena.buffers()], list[float | None])
assert_type([row.pid for row in arena.processes()], list[int])
assert_type(arena.reap(unclaimed_after=60), int)
with arena.record("trace.csv") as recording:
    assert_type(recording.events, int)


def scaled(image: NDArray[Any], factor: float = 1.0) -> NDArray[Any]:
    """A function for a pool."""
    return image * factor


with pb.Arena("1 GiB") as shared, pb.ArenaExecutor(2, arena=shared) as pool:
    assert_type(pool.arena, pb.Arena)
    assert_type(pool.submit(len, [1]).result(), int)
    assert_type(pool.submit(scaled, shared.zeros(3), factor=2.0).result(timeout=1), NDArray[Any])
    assert_type(pool.map(scaled, [shared.zeros(3)], [2.0], chunksize=4), Iterator[NDArray[Any]])
    assert_type(list(pool.map(len, ["a", "b"], timeout=5)), list[int])

buddy = pb.BuddyAllocator(pb.PageRanges([(1, 64)]), max_order=3)
assert_type(buddy.alloc(5, above=1), int)
assert_type(list(buddy.spans()), list[tuple[int, int]])
assert_type(pb.BuddyAllocator.attach(buddy.metadata).stats().free_blocks, tuple[int, ...])
try:
    buddy.alloc(100)
except pb.OutOfPages as error:
    assert_type(error.largest_free, int)
