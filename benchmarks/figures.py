"""The rows about the engine, and their goals. Used by `__main__`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pagebuddy.tools.bench.figures import RATIO, Row

if TYPE_CHECKING:
    from pagebuddy.tools.bench.subject import Subject

LOOP = "The engine in a native loop"
LLFREE = "LLFree's workloads in a native loop, without the cost of the list"
CALLS = "Calls from Python, including the loop around them"
BATCHES = "Many pages in one call; recover and verify"


def rows_for(subject: Subject) -> list[Row]:
    """All rows in order. Goals are those of the compiled engine."""
    size = f"2^{subject.n_pages.bit_length() - 1}"
    rows = [*_loop_rows(size), *_call_rows(subject, size), *_batch_rows(size)]
    if subject.compiled:
        return rows
    return [replace(row, section=f"UNCOMPILED: {row.section}", reach=None) for row in rows]


def _loop_rows(size: str) -> list[Row]:
    def ns(title: str, *parts: str, reach: float | None = None) -> Row:
        each = 1 / len(parts)
        return Row(LOOP, title, "ns/op", tuple(f"engine.{p}" for p in parts), (), each, reach)

    def ratio(title: str, other: str, *parts: str) -> Row:
        ours, theirs = (tuple(f"{whose}.{p}" for p in parts) for whose in ("engine", other))
        return Row(LOOP, title, RATIO, ours, theirs)

    def bare(title: str, part: str, reach: float | None = None) -> Row:
        parts, less = (f"engine.{part}",), ("engine.list",)
        return Row(LLFREE, title, "ns/op", parts, reach=reach, less=less)

    stack, unchecked = "  over a plain stack of pages", "  over the build without checks"
    return [
        ns("one page, another one pinned", "pinned", reach=2.5),
        ratio(unchecked, "unchecked", "pinned"),
        ns(f"one page, {size} free", "empty", reach=2.5),
        ratio(unchecked, "unchecked", "empty"),
        ns("  from a list of operations", "listed"),
        ns("1 and 2 pages, crossed", "crossed"),
        ratio(unchecked, "unchecked", "crossed"),
        ns(f"fill and drain {size} pages", "fill", "drain", reach=20),
        ratio(stack, "stack", "fill", "drain"),
        ratio(unchecked, "unchecked", "fill", "drain"),
        ns("  fill alone", "fill"),
        ratio("  " + stack, "stack", "fill"),
        ns("  drain alone", "drain"),
        ratio("  " + stack, "stack", "drain"),
        ratio("  " + unchecked, "unchecked", "drain"),
        ns("half full, mixed orders", "mixed", reach=11),
        ratio(unchecked, "unchecked", "mixed"),
        Row(LLFREE, "the list alone", "ns/op", ("engine.list",)),
        bare("bulk: allocate half, page by page", "bulk get"),
        bare("  free it in reverse order", "bulk put", 7),
        bare("repeat: allocate a page, free it", "repeat"),
        bare("rand: allocate half, page by page", "rand get"),
        bare("  free it in random order", "rand put", 11),
    ]


def _call_rows(subject: Subject, size: str) -> list[Row]:
    def ns(title: str, name: str) -> Row:
        return Row(CALLS, title, "ns", (name,))

    rows = [
        ns("the loop alone", "loop"),
        ns("two empty calls", "engine.nothing"),
        ns("  one of them without options", "engine.bare"),
    ]
    for n, reach in ((1, 1.1), (5, 1.1), (1000, 1.3), (subject.n_pages, 1.3)):
        shown = str(n) if n <= 1000 else size
        name = f"engine.pair {n}"
        title = f"free(alloc({shown})) over empty calls"
        rows += [
            Row(CALLS, title, RATIO, (name,), ("engine.nothing",), 1.0, reach),
            ns("  alone", name),
        ]
    stack, heap = "list.pair", "multiprocessing.pair"
    return [
        *rows,
        ns("a list of pages: append(pop())", stack),
        Row(CALLS, "  free(alloc(1)) over append(pop())", RATIO, ("engine.pair 1",), (stack,)),
        ns("multiprocessing.heap, 4096 bytes", heap),
        Row(CALLS, "  over free(alloc(1))", RATIO, (heap,), ("engine.pair 1",)),
        ns("alloc in a window, half full; free", "engine.window"),
        ns("alloc_at(page, 5); free", "engine.alloc_at"),
        ns("resize, 5 to 1000 pages and back", "engine.resize"),
    ]


def _batch_rows(size: str) -> list[Row]:
    def ns(title: str, *parts: str, reach: float | None = None) -> Row:
        return Row(BATCHES, title, "ns/page", tuple(f"engine.{p}" for p in parts), reach=reach)

    def both(name: str, reach: float) -> list[Row]:
        taking, giving = f"{name} alloc_many", f"{name} free_many"
        return [
            ns(f"alloc_many, free_many, {name}", taking, giving, reach=reach),
            ns("  alloc_many", taking),
            ns("  free_many", giving),
        ]

    def ms(title: str, name: str, reach: float | None = None) -> Row:
        return Row(BATCHES, title, "ms", (f"engine.{name}",), (), 1e-6, reach)

    return [
        *both("whole", 6),
        *both("fragmented", 10),
        ns("free_many, random order", "shuffled free_many"),
        ms(f"recover, {size} pages half full", "recover", 2),
        ms(f"verify, {size} pages half full", "verify"),
        Row(BATCHES, f"metadata of {size} pages", "B/page", ("engine.metadata",), reach=8.5),
    ]
