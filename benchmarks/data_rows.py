"""The rows about arrays, objects and tables, and their goals. Used by `data`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import arrays, numpy_memory, objects, segments
from benchmarks.arena_rows import KIB64, shown
from pagebuddy.tools.bench.figures import RATIO, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

MADE = "New arrays, dropped at once"
SENT = "An array as bytes and back, in one process"
INSIDE = "Results of numpy in its own memory, and inside arena.numpy_memory()"
KEPT = "A data frame of 100 columns by key"
MAPPED = "multiprocessing.Pool.map over arrays of 16 MiB, for each array"
SEGMENTS = "SharedMemory of pagebuddy.shared_memory, and of multiprocessing.shared_memory"
TABLE = "A CSV file of 38 MiB of floats: read by pandas, sent to another process"

US, MS = 1e-3, 1e-6
MIB = 1 << 20


def rows() -> list[Row]:
    """All rows in order."""
    return [*_made(), *_sent(), *_inside(), *_kept(), *_mapped(), *_segments(), *_table()]


def _made() -> Iterator[Row]:
    for size in arrays.SIZES:
        for what in ("empty", "zeros"):
            ours, theirs = f"arena.{what} {size}", f"np.{what} {size}"
            goal = 1.3 if (what, size) == ("empty", KIB64) else None
            yield Row(MADE, f"arena.{what}, {shown(size)}", "ns", (ours,))
            yield Row(MADE, f"  np.{what}", "ns", (theirs,))
            yield Row(MADE, f"  arena.{what} over np.{what}", RATIO, (ours,), (theirs,), reach=goal)


def _sent() -> Iterator[Row]:
    for size in arrays.SIZES:
        ours, theirs = (f"arena.dumps {size}",), (f"pickle.dumps {size}",)
        goal = 3 if size == KIB64 else None
        yield Row(SENT, f"arena.dumps, loads, {shown(size)}", "µs", ours, (), US, goal)
        yield Row(SENT, "  pickle.dumps, loads", "µs", theirs, (), US)


def _inside() -> Iterator[Row]:
    for size in numpy_memory.SIZES:
        for call in numpy_memory.CALLS:
            own, inside = (f"{call} {size} own",), (f"{call} {size} inside",)
            goal = 1 if (call, size) == ("z + 1", MIB) else None
            yield Row(INSIDE, f"{call}, {shown(size)}", "µs", inside, (), US)
            yield Row(INSIDE, "  in numpy's own memory", "µs", own, (), US)
            yield Row(INSIDE, "  in the arena over numpy's own", RATIO, inside, own, reach=goal)


def _kept() -> Iterator[Row]:
    for n_rows in objects.ROWS:
        for title, name in (("objects[key]", "get"), ("objects[key] = frame", "set")):
            yield Row(KEPT, f"{title}, {n_rows:,} rows", "ms", (f"{name} {n_rows}",), (), MS)
            for other in ("pickle", "diskcache"):
                yield Row(KEPT, f"  {other}", "ms", (f"{name} {other} {n_rows}",), (), MS)


def _mapped() -> Iterator[Row]:
    ours, theirs = ("Pool.map arena",), ("Pool.map pickle",)
    yield Row(MAPPED, "arrays in the arena", "ms", ours, (), MS)
    yield Row(MAPPED, "  other arrays, pickled", "ms", theirs, (), MS)
    yield Row(MAPPED, "  pickled over in the arena", RATIO, theirs, ours)


def _segments() -> Iterator[Row]:
    calls = [
        (f"{title} {shown(size)}", f"{name} {size}", 20 if size == KIB64 else None)
        for size in segments.SIZES
        for title, name in (("create, close, unlink", "create"), ("and write", "write"))
    ]
    for title, name, goal in [*calls, ("attach, close", "attach", None)]:
        ours, theirs = (f"{name} pagebuddy",), (f"{name} multiprocessing",)
        yield Row(SEGMENTS, title, "µs", ours, (), US)
        yield Row(SEGMENTS, "  multiprocessing", "µs", theirs, (), US)
        title = "  multiprocessing over pagebuddy"
        yield Row(SEGMENTS, title, RATIO, theirs, ours, reach=goal, at_least=True)


def _table() -> Iterator[Row]:
    ours, theirs = ("table memory arena",), ("table memory pickle",)
    yield Row(TABLE, "in the arena, both processes take", "MiB", ours, (), 2**-20)
    yield Row(TABLE, "  pickled", "MiB", theirs, (), 2**-20)
    yield Row(TABLE, "in the arena, to send it takes", "ms", ("table time arena",), (), MS)
    yield Row(TABLE, "  pickled", "ms", ("table time pickle",), (), MS)
