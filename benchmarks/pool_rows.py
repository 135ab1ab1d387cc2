"""The rows about pools of processes, and their goals. Used by `pools`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.pool_calls import CHUNK
from pagebuddy.tools.bench.figures import RATIO, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "ArenaExecutor"
STANDARD = "ProcessPoolExecutor"
OTHERS = (STANDARD, "multiprocessing.Pool", "joblib.Parallel", "mpire")

SHORT = "Calls in a pool of two processes: ints there and back"
MANY = "100,000 tiny calls in one map"
ARRAYS = "1,000 calls with an array of 1 MiB"
FRAMES = "A call with a data frame of 38 MB"
STARTS = "A new pool of two workers, while the fork server is up"
IDLE = "Processor time that two waiting workers use in a second"

US, MS = 1e-3, 1e-6


def rows() -> list[Row]:
    """All rows in order."""
    return [*_short(), *_many(), *_arrays(), *_frames(), *_starts(), *_idle()]


def _beside(
    section: str, ours: str, theirs: str, unit: str, scale: float, goal: float | None = None
) -> Iterator[Row]:
    """A row of ours, one of each other pool, and the ratio to Python's own."""
    yield Row(section, OURS, unit, (f"{OURS} {ours}",), (), scale, goal)
    yield from _others(section, ours, theirs, unit, scale)


def _others(section: str, ours: str, theirs: str, unit: str, scale: float) -> Iterator[Row]:
    for name in OTHERS:
        yield Row(section, f"  {name}", unit, (f"{name} {theirs}",), (), scale)
    parts = (f"{STANDARD} {theirs}",), (f"{OURS} {ours}",)
    yield Row(section, f"  {STANDARD} over {OURS}", RATIO, *parts)


def _short() -> Iterator[Row]:
    yield from _beside(f"{SHORT}, in a map", "ints", "ints", "µs/call", US)
    yield from _beside(f"{SHORT}, one after the other", "single", "single", "µs/call", US)


def _many() -> Iterator[Row]:
    yield from _beside(f"{MANY}, chunksize not given", "many", "many", "µs/call", US)
    yield from _beside(f"{MANY}, chunksize={CHUNK}", "chunks", "chunks", "µs/call", US)


def _arrays() -> Iterator[Row]:
    for what, title, goal in (
        ("looked at", "nothing is returned", 20),
        ("inverted", "another array is returned", 70),
    ):
        section, place = f"{ARRAYS}; {title}", f"{what} in place"
        yield Row(section, f"{OURS}, in the arena", "µs/call", (f"{OURS} {place}",), (), US, goal)
        chunks = (f"{OURS} {what} in chunks",)
        yield Row(section, "  the same with chunksize=16", "µs/call", chunks, (), US)
        yield Row(section, "  copied in", "µs/call", (f"{OURS} {what}",), (), US)
        yield from _others(section, place, what, "µs/call", US)


def _frames() -> Iterator[Row]:
    yield Row(FRAMES, f"{OURS}, in the arena", "ms", (f"{OURS} frame in place",), (), MS)
    yield Row(FRAMES, "  copied in", "ms", (f"{OURS} frame",), (), MS)
    yield from _others(FRAMES, "frame in place", "frame", "ms", MS)


def _starts() -> Iterator[Row]:
    yield from _beside(f"{STARTS}: until two calls have returned", "start", "start", "ms", MS)
    yield from _beside("The end of this pool", "end", "end", "ms", MS)


def _idle() -> Iterator[Row]:
    yield Row(IDLE, OURS, "ms", (f"{OURS} idle",), (), MS)
    for name in OTHERS:
        yield Row(IDLE, f"  {name}", "ms", (f"{name} idle",), (), MS)
