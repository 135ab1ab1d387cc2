"""Writes the figures as a table, as JSON and as Markdown. Used by `__main__`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pagebuddy.tools.bench.figures import Figure, short

WIDTH = 80
VERDICT = {True: " yes", False: " NO", None: ""}

# A table of a Markdown page stands between these marks; the first has its name.
BEGIN = "<!-- benchmarks: {} -->\n"
END = "<!-- end of benchmarks -->"


def heading(facts: Mapping[str, object]) -> str:
    """Machine and engine in two lines."""
    engine = "compiled engine" if facts["compiled"] else "UNCOMPILED engine"
    return (
        f"{engine}, {facts['python']}, commit {facts['commit'] or 'unknown'}\n"
        f"{facts['cpu']}, {facts['cores']} cores, {facts['system']}, load {facts['load']}"
    )


def show(figures: Sequence[Figure], facts: Mapping[str, object], console: Console) -> None:
    """Print the tables, 80 columns wide."""
    console.print(heading(facts), highlight=False)
    for section, group in groupby(figures, lambda figure: figure.row.section):
        table = Table(title=section, width=WIDTH, title_justify="left", box=SIMPLE_HEAD, padding=0)
        table.add_column("", ratio=1)
        for name, width in (("median", 7), ("", 8), ("from", 7), ("to", 7), ("goal", 5), ("", 4)):
            table.add_column(name, justify="right" if name else "left", width=width)
        for figure in group:
            table.add_row(
                *map(escape, _cells(figure)), style="red" if figure.reached is False else None
            )
        console.print(table)


def save(figures: Sequence[Figure], facts: Mapping[str, object], rounds: int, path: Path) -> None:
    """Write everything as JSON."""
    document = {
        "format": 1,
        **facts,
        "rounds": rounds,
        "figures": [
            {
                "section": figure.row.section,
                "title": figure.row.title.strip(),
                "unit": figure.row.unit,
                "parts": figure.row.parts,
                "less": figure.row.less,
                "over": figure.row.over,
                "median": round(figure.median, 4),
                "min": round(figure.lowest, 4),
                "max": round(figure.highest, 4),
                "reach": figure.row.reach,
                "at_least": figure.row.at_least,
                "reached": figure.reached,
            }
            for figure in figures
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def around_table(path: Path, name: str = "all") -> tuple[str, str]:
    """The text of a page before and after the table of this name, including the marks.

    Raises `ValueError` if the marks are missing.
    """
    mark = BEGIN.format(name)
    before, begin, rest = path.read_text(encoding="utf-8").partition(mark)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(
            f"{path} has no place for the table; add the line `{mark.strip()}` and after it the "
            f"line `{END}`"
        )
    return before + begin, end + after


def write_into(
    path: Path, figures: Sequence[Figure], facts: Mapping[str, object], name: str = "all"
) -> None:
    """Replace the table of this name in a Markdown page."""
    before, after = around_table(path, name)
    path.write_text(f"{before}\n{markdown(figures, facts)}\n{after}", encoding="utf-8")


def markdown(figures: Sequence[Figure], facts: Mapping[str, object]) -> str:
    """The table as Markdown."""
    lines = heading(facts).splitlines()
    for section, group in groupby(figures, lambda figure: figure.row.section):
        lines += ["", f"**{section}**", "", "| | median | | from | to | goal | |"]
        lines.append("|---|---:|---|---:|---:|---:|---|")
        for figure in group:
            title, *cells = _cells(figure)
            # Markdown drops leading spaces, which indent a row under the row that it belongs to.
            text = title.lstrip()
            shown = "&nbsp;" * (len(title) - len(text)) + text
            lines.append("| " + " | ".join(cell.strip() for cell in (shown, *cells)) + " |")
    return "\n".join(lines) + "\n"


def _cells(figure: Figure) -> list[str]:
    row = figure.row
    reach = "" if row.reach is None else f"{'≥' if row.at_least else ''}{row.reach:g}"
    numbers = (figure.median, figure.lowest, figure.highest)
    median, lowest, highest = (short(number) for number in numbers)
    return [row.title, median, " " + row.unit, lowest, highest, reach, VERDICT[figure.reached]]
