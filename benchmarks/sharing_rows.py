"""The rows about two processes, and their goals. Used by `__main__`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.arena_rows import shown
from benchmarks.memories import SIZES
from pagebuddy.tools.bench.figures import RATIO, Row

if TYPE_CHECKING:
    from pagebuddy.tools.bench.subject import Subject

TRIPS = "Sending bytes to another process, with an answer"
MESSAGES = "Short messages from one process to another"
CALLS = "Calls in a pool of two processes, argument and result arrays of 1 MiB"
AT_ONCE = "Allocating and freeing 64 KiB in one arena"

MIB16 = 16 << 20

BESIDE = {
    "iceoryx2, in place": "iceoryx2 in place",
    "iceoryx2, copied in": "iceoryx2 copied",
    "SharedMemory by name": "SharedMemory",
    "Pipe": "Pipe",
    "multiprocessing.Queue": "Queue",
    "torch, tensor in place": "torch in place",
    "torch, copied in": "torch copied",
    "joblib.Parallel": "joblib",
    "ray.put, ray.get": "ray",
}
"""Titles and sample names of alternatives. Without samples there is no row."""


def rows_for(subject: Subject, n_calls: int) -> list[Row]:
    """All rows in order. Goals are those of the compiled engine."""
    rows = [*_trip_rows(), *_message_rows(), *_call_rows(n_calls), *_at_once_rows()]
    if subject.compiled:
        return rows
    return [replace(row, section=f"UNCOMPILED: {row.section}", reach=None) for row in rows]


def _trip_rows() -> list[Row]:
    def ratio(title: str, theirs: str, ours: str, reach: float | None = None) -> Row:
        parts = (f"{theirs} {MIB16} trip",), (f"{ours} {MIB16} trip",)
        return Row(TRIPS, title, RATIO, *parts, 1.0, reach, at_least=True)

    rows = []
    for size in SIZES:
        unit, scale = ("µs", 1e-3) if size <= 1 << 20 else ("ms", 1e-6)
        titles = {f"in place, {shown(size)}": "handle", "  copied in, dumps and loads": "dumps"}
        titles |= {f"  {title}": name for title, name in BESIDE.items()}
        rows += [
            Row(TRIPS, title, unit, (f"{name} {size} trip",), scale=scale)
            for title, name in titles.items()
        ]
        if size == MIB16:
            rows += [
                ratio("Pipe over in place, 16 MiB", "Pipe", "handle", 30),
                ratio("SharedMemory over in place, 16 MiB", "SharedMemory", "handle", 15),
                ratio("  Pipe over copied in", "Pipe", "dumps"),
                ratio("  SharedMemory over copied in", "SharedMemory", "dumps"),
            ]
    return rows


def _message_rows() -> list[Row]:
    ours, theirs = ("arena.queue rate",), ("multiprocessing.Queue rate",)
    return [
        Row(MESSAGES, "arena.queue()", "1000/s", ours, scale=1e-3),
        Row(MESSAGES, "  multiprocessing.Queue", "1000/s", theirs, scale=1e-3),
        Row(MESSAGES, "  arena.queue() over multiprocessing.Queue", RATIO, ours, theirs),
    ]


def _call_rows(n_calls: int) -> list[Row]:
    def us(title: str, name: str) -> Row:
        return Row(CALLS, title, "µs/call", (f"{name} call",), scale=1e-3)

    in_place, standard = ("ArenaExecutor in place call",), ("ProcessPoolExecutor call",)
    return [
        us(f"ArenaExecutor.map, {n_calls:,} in place", "ArenaExecutor in place"),
        us("  copied in", "ArenaExecutor copied"),
        us("  ProcessPoolExecutor.map", "ProcessPoolExecutor"),
        Row(CALLS, "    over in place", RATIO, standard, in_place),
        us("  joblib.Parallel", "joblib"),
    ]


def _at_once_rows() -> list[Row]:
    one, two = ("one at once",), ("two at once",)
    return [
        Row(AT_ONCE, "one process alone", "ns", one),
        Row(AT_ONCE, "two processes at once, each", "ns", two),
        Row(AT_ONCE, "  over one process alone", RATIO, two, one),
    ]
