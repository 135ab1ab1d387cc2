"""The rows of the table that are about who was killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.deaths import N_DEAD, N_DEATHS
from pagebuddy.tools.bench.figures import Row

if TYPE_CHECKING:
    from pagebuddy.tools.bench.subject import Subject

DEATHS = "Killed with the lock, in 1 GiB of pages of 4 KiB: the next one's operation"


def rows_for(subject: Subject) -> list[Row]:
    """Every row, in the order of the table: the compiled engine's, as others cannot be stepped."""
    if not subject.compiled:
        return []

    def ms(title: str, name: str, reach: float | None = None) -> Row:
        return Row(DEATHS, title, "ms", (name,), scale=1e-6, reach=reach)

    rows = []
    for title, state in (("every page a buffer", "full"), ("every other one, at random", "half")):
        rows += [
            ms(title, f"takeover {state}", 10),
            ms(f"  the longest of {N_DEATHS}", f"takeover {state} worst", 50),
            ms(f"  then a reap of {N_DEAD + N_DEATHS} dead", f"reap {state}"),
        ]
    return rows
