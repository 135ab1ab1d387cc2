"""What came out: a table to read, JSON to compare, Markdown for the documentation."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pagebuddy.tools.bench.figures import Figure, short

WIDTH = 80
VERDICT = {True: " yes", False: " NO", None: ""}

# A page of text says with these what it wants, and between them is written what was measured.
BEGIN = re.compile(r"<!-- benchmarks: (all|goals) -->\n")
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
            table.add_row(*_cells(figure), style="red" if figure.reached is False else None)
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


def place_in(path: Path) -> tuple[str, re.Match[str], int]:
    """A page of text, the mark after which the table goes, and where the mark after it stands.

    Raises ValueError where the marks are missing.
    """
    text = path.read_text(encoding="utf-8")
    begin = BEGIN.search(text)
    end = text.find(END, begin.end()) if begin else -1
    if begin is None or end < 0:
        raise ValueError(
            f"{path} has no place for the table; put `<!-- benchmarks: all -->`, or `goals` for "
            f"`all`, on a line of its own, and `{END}` on a later one"
        )
    return text, begin, end


def write_into(path: Path, figures: Sequence[Figure], facts: Mapping[str, object]) -> None:
    """Put the table into a page of text, in place of the one that stands between its marks.

    The first mark names the rows: `all`, or only those with `goals`.
    """
    text, begin, end = place_in(path)
    if begin[1] == "goals":
        figures = [figure for figure in figures if figure.row.reach is not None]
    page = f"{text[: begin.end()]}\n{markdown(figures, facts)}\n{text[end:]}"
    path.write_text(page, encoding="utf-8")


def markdown(figures: Sequence[Figure], facts: Mapping[str, object]) -> str:
    """The same table for a page of text."""
    lines = heading(facts).splitlines()
    for section, group in groupby(figures, lambda figure: figure.row.section):
        lines += ["", f"**{section}**", "", "| | median | | from | to | goal | |"]
        lines.append("|---|---:|---|---:|---:|---:|---|")
        for figure in group:
            title, *cells = _cells(figure)
            # Markdown drops leading spaces, and they tell which row a row belongs to.
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
