"""The rows about killed processes, and their goals. Used by `__main__`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.deaths import N_DEAD, N_DEATHS
from pagebuddy.tools.bench.figures import Row

if TYPE_CHECKING:
    from pagebuddy.tools.bench.subject import Subject

DEATHS = "The next operation after a process was killed with the lock (1 GiB, 4 KiB pages)"


def rows_for(subject: Subject) -> list[Row]:
    """All rows in order; only for the compiled engine, because it is single-stepped."""
    if not subject.compiled:
        return []

    def ms(title: str, name: str, reach: float | None = None) -> Row:
        return Row(DEATHS, title, "ms", (name,), scale=1e-6, reach=reach)

    rows = []
    for title, state in (("every page a buffer", "full"), ("every other page, at random", "half")):
        rows += [
            ms(title, f"takeover {state}", 10),
            ms(f"  the longest of {N_DEATHS}", f"takeover {state} worst", 50),
            ms(f"  then reaping {N_DEAD + N_DEATHS} dead processes", f"reap {state}"),
        ]
    return rows
