"""Cases of the engine: calls from Python, one operation at a time. Used by `__main__`.

Each sample is a plain `for` loop around the call. Every figure contains the cost of this loop, which has
a case of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from time import perf_counter_ns
from typing import TYPE_CHECKING

from pagebuddy.tools.bench.loops import half_full

if TYPE_CHECKING:
    from pagebuddy.tools.bench.subject import Subject
    from pagebuddy.tools.bench.timing import Case, Timed

BURST = 100


def _timed(name: str, burst: Callable[[int], None]) -> Case:
    def case(times: int) -> Timed:
        started = perf_counter_ns()
        burst(times * BURST)
        return {name: (perf_counter_ns() - started, times * BURST)}

    return case


def empty_loop() -> Case:
    """The empty loop."""

    def burst(n: int) -> None:
        for _ in repeat(None, n):
            pass

    return _timed("loop", burst)


def empty_calls(subject: Subject) -> Case:
    """Two calls that do nothing, one on the result of the other, with options like `alloc`."""
    nothing = subject.bench.nothing

    def burst(n: int) -> None:
        for _ in repeat(None, n):
            nothing(nothing(5))

    return _timed(subject.of("nothing"), burst)


def bare_calls(subject: Subject) -> Case:
    """The same, but the outer method has no options, so Python calls it faster."""
    nothing, plain = subject.bench.nothing, subject.bench.plain

    def burst(n: int) -> None:
        for _ in repeat(None, n):
            plain(nothing(5))

    return _timed(subject.of("bare"), burst)


def pair(subject: Subject, n_pages: int) -> Case:
    """`free(alloc(n))` while nothing else is allocated."""
    buddy = subject.allocator(subject.n_pages)
    alloc, free = buddy.alloc, buddy.free

    def burst(n: int) -> None:
        for _ in repeat(None, n):
            free(alloc(n_pages))

    return _timed(subject.of(f"pair {n_pages}"), burst)


def window(subject: Subject) -> Case:
    """Five aligned pages in the middle quarter of a half-full allocator."""
    buddy, _ = half_full(subject)
    alloc, free = buddy.alloc, buddy.free
    above, below = subject.n_pages * 3 // 8, subject.n_pages * 5 // 8

    def burst(n: int) -> None:
        for _ in repeat(None, n):
            free(alloc(5, above=above, below=below, align=8))

    return _timed(subject.of("window"), burst)


def given_place(subject: Subject) -> Case:
    """Allocate and free five given pages while nothing else is allocated."""
    buddy = subject.allocator(subject.n_pages)
    alloc_at, free = buddy.alloc_at, buddy.free
    place = subject.n_pages // 2 + 3

    def burst(n: int) -> None:
        for _ in repeat(None, n):
            free(alloc_at(place, 5))

    return _timed(subject.of("alloc_at"), burst)


def resize(subject: Subject) -> Case:
    """Grow a span in place from 5 pages to 1000, and shrink it again."""
    buddy = subject.allocator(subject.n_pages)
    place = buddy.alloc(5)
    resized = buddy.resize

    def burst(n: int) -> None:
        for _ in repeat(None, n):
            resized(place, 1000)
            resized(place, 5)

    return _timed(subject.of("resize"), burst)


def all_of(subject: Subject) -> list[Case]:
    """All cases of this file."""
    sizes = (1, 5, 1000, subject.n_pages)
    return [
        empty_loop(),
        empty_calls(subject),
        bare_calls(subject),
        *(pair(subject, n) for n in sizes),
        window(subject),
        given_place(subject),
        resize(subject),
    ]
