"""The rows about arenas, and their goals. Used by `__main__`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.arenas import ARENA_SIZES
from benchmarks.memories import SIZES
from pagebuddy.tools.bench.figures import RATIO, Row

if TYPE_CHECKING:
    from pagebuddy.tools.bench.subject import Subject

DROPPED = "Allocating and freeing memory, untouched"
WRITTEN = "Allocating memory, writing every byte, freeing it"
WHOLE = "Creating and attaching to arenas"

KIB64 = 64 << 10
WARM = {"arena.empty": "empty", "np.empty": "np.empty", "iceoryx2": "iceoryx2"}
"""Titles and sample names of alternatives that mostly need no system call."""

SYSTEM = {
    name: name
    for name in (
        "mmap",
        "multiprocessing.heap",
        "SharedMemory",
        "SharedArray",
        "posix_ipc",
        "torch, share_memory_",
    )
}
"""The same for alternatives that need system calls. Without samples there is no row."""


def rows_for(subject: Subject) -> list[Row]:
    """All rows in order. Goals are those of the compiled engine."""
    rows = [*_dropped_rows(), *_written_rows(), *_whole_rows()]
    if subject.compiled:
        return rows
    return [replace(row, section=f"UNCOMPILED: {row.section}", reach=None) for row in rows]


def shown(size: int) -> str:
    """A size as text."""
    for unit, name in ((30, "GiB"), (20, "MiB")):
        if size >> unit:
            return f"{size >> unit} {name}"
    return f"{size >> 10} KiB"


def _dropped_rows() -> list[Row]:
    def ns(title: str, name: str, reach: float | None = None) -> Row:
        return Row(DROPPED, title, "ns", (name,), reach=reach)

    def us(title: str, name: str) -> Row:
        return Row(DROPPED, title, "µs", (name,), scale=1e-3)

    def ratio(title: str, name: str, over: str, reach: float, *, at_least: bool = False) -> Row:
        return Row(DROPPED, title, RATIO, (name,), (over,), 1.0, reach, at_least)

    rows = []
    for size in SIZES:
        ours = f"alloc {size}"
        rows.append(ns(f"arena.alloc, {shown(size)}", ours, 150))
        if size == KIB64:
            rows += [
                ratio("  over np.empty", ours, f"np.empty {size}", 1),
                ratio(
                    "  SharedMemory over arena.alloc",
                    f"SharedMemory {size}",
                    ours,
                    300,
                    at_least=True,
                ),
            ]
        rows += [ns(f"  {title}", f"{name} {size}") for title, name in WARM.items()]
        rows += [us(f"  {title}", f"{name} {size}") for title, name in SYSTEM.items()]
    # Buffers up to 64 KiB come from a magazine and cost less.
    least, most = next(size for size in SIZES if size > KIB64), SIZES[-1]
    title = f"arena.alloc, {shown(most)} over {shown(least)}"
    return [*rows, ratio(title, f"alloc {most}", f"alloc {least}", 1.1)]


def _written_rows() -> list[Row]:
    rows = []
    for size in SIZES:
        unit, scale = ("µs", 1e-3) if size <= 1 << 20 else ("ms", 1e-6)
        titles = {f"arena.alloc, {shown(size)}": "alloc"}
        titles |= {f"  {title}": name for title, name in (WARM | SYSTEM).items()}
        rows += [
            Row(WRITTEN, title, unit, (f"{name} {size} written",), scale=scale)
            for title, name in titles.items()
        ]
    return rows


def _whole_rows() -> list[Row]:
    rows = []
    for what in ("create", "attach"):
        for size in ARENA_SIZES:
            # Both sizes have the same goal.
            name = f"{what} {size}"
            rows += [
                Row(WHOLE, f"{what}, {shown(size)}", "ms", (name,), scale=1e-6, reach=2),
                Row(WHOLE, "  touching", "KiB", (f"{name} touched",), scale=2**-10, reach=1024),
            ]
    return rows
