"""Cases of the engine in native loops. Used by `core_rows` and `benchmarks/`."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter_ns
from typing import TYPE_CHECKING

import numpy as np

from pagebuddy.tools.bench import streams

if TYPE_CHECKING:
    from pagebuddy import BuddyAllocator
    from pagebuddy.tools.bench.streams import Words
    from pagebuddy.tools.bench.subject import Subject
    from pagebuddy.tools.bench.timing import Case, Timed


def _on_the_same_words(
    subjects: Sequence[Subject], buddy: BuddyAllocator
) -> list[tuple[Subject, BuddyAllocator]]:
    """The allocator of the first engine, and the others attached to the same metadata.

    The addresses of the words influence the caches, and would otherwise distort ratios of engines.
    """
    others = subjects[1:]
    attached = [(other, other.allocator.attach(buddy.metadata)) for other in others]
    return [(subjects[0], buddy), *attached]


def _steady(
    subjects: Sequence[Subject], name: str, buddy: BuddyAllocator, ops: Words, pages: Words
) -> list[Case]:
    """A list of operations that can be repeated, because it ends in a similar state as it began."""

    def case_of(subject: Subject, buddy: BuddyAllocator) -> Case:
        def case(times: int) -> Timed:
            started = perf_counter_ns()
            failed = sum(buddy.run(ops, pages) for _ in range(times))
            elapsed = perf_counter_ns() - started
            if failed:
                raise RuntimeError(f"{name}: {failed} allocations failed; the figure is invalid")
            return {subject.of(name): (elapsed, len(ops) * times)}

        return case

    return [case_of(*each) for each in _on_the_same_words(subjects, buddy)]


def _pairs(subjects: Sequence[Subject], name: str, buddy: BuddyAllocator) -> list[Case]:
    """Allocate a page and free it at once, without reading a list of operations."""

    def case_of(subject: Subject, buddy: BuddyAllocator) -> Case:
        pairs = subject.bench.pairs

        def case(times: int) -> Timed:
            count = times * subject.n_operations // 2
            started = perf_counter_ns()
            pairs(buddy, 1, count)
            return {subject.of(name): (perf_counter_ns() - started, 2 * count)}

        return case

    return [case_of(*each) for each in _on_the_same_words(subjects, buddy)]


def pinned(subjects: Sequence[Subject]) -> list[Case]:
    """Another page stays allocated, so the free lists are partly split."""
    buddy = subjects[0].allocator(subjects[0].n_pages)
    buddy.alloc(1)
    return _pairs(subjects, "pinned", buddy)


def empty(subjects: Sequence[Subject]) -> list[Case]:
    """Nothing else is allocated: an allocation splits the largest block, a free merges it."""
    return _pairs(subjects, "empty", subjects[0].allocator(subjects[0].n_pages))


def listed(subjects: Sequence[Subject]) -> list[Case]:
    """The same from a list, which adds the cost of reading an operation and its slot."""
    first = subjects[0]
    ops = streams.pairs(first.n_operations // 2)
    buddy = first.allocator(first.n_pages)
    return _steady(subjects, "listed", buddy, ops, streams.empty_slots(1))


def crossed(subjects: Sequence[Subject]) -> list[Case]:
    """The same with two sizes in turn, so that the span freed last never fits."""
    first = subjects[0]
    buddy = first.allocator(first.n_pages)
    ops = streams.crossed_pairs(first.n_operations // 4)
    return _steady(subjects, "crossed", buddy, ops, streams.empty_slots(2))


def half_full(subject: Subject) -> tuple[BuddyAllocator, Words]:
    """A half-full allocator with blocks of random orders, long in use, and its slots."""
    buddy = subject.allocator(subject.n_pages)
    first = streams.half_full(subject.n_pages)
    pages = streams.empty_slots(len(first))
    buddy.run(first, pages)
    # Replace every block about ten times, because the first ones are neatly adjacent.
    buddy.run(streams.mixed(len(first), 20 * len(first)), pages)
    return buddy, pages


def mixed(subjects: Sequence[Subject]) -> list[Case]:
    """Half full: free a random block and allocate another."""
    buddy, pages = half_full(subjects[0])
    ops = streams.mixed(len(pages), subjects[0].n_operations)
    return _steady(subjects, "mixed", buddy, ops, pages)


def fill_and_drain(subjects: Sequence[Subject]) -> list[Case]:
    """Allocate every page singly, then free all in random order; the two are timed separately."""
    n = subjects[0].n_pages
    taking, giving = streams.fill(n), streams.shuffled_slots(n)
    pages = streams.empty_slots(n)

    def case_of(subject: Subject, buddy: BuddyAllocator) -> Case:
        def case(times: int) -> Timed:
            fill = drain = 0
            for _ in range(times):
                started = perf_counter_ns()
                buddy.run(taking, pages)
                filled = perf_counter_ns()
                buddy.run(giving, pages)
                drain += perf_counter_ns() - filled
                fill += filled - started
            return {subject.of("fill"): (fill, n * times), subject.of("drain"): (drain, n * times)}

        return case

    buddy = subjects[0].allocator(n)
    return [case_of(*each) for each in _on_the_same_words(subjects, buddy)]


# -- the workloads of LLFree's benchmark, with one thread and single pages -------------------------
#
# Wrenger, Rommel, Halbuer, Dietrich and Lohmann, "LLFree: Scalable and Optionally-Persistent Page-Frame
# Allocation", USENIX ATC 2023.


def the_list(subjects: Sequence[Subject]) -> list[Case]:
    """A list of operations alone: frees of empty slots, which do nothing."""
    first = subjects[0]
    n = first.n_pages // 2
    buddy = first.allocator(first.n_pages)
    return _steady(subjects[:1], "list", buddy, streams.frees(n), streams.empty_slots(n))


def bulk(subjects: Sequence[Subject]) -> list[Case]:
    """Allocate half of the memory page by page, and free it in reverse order."""
    return _halves(subjects, "bulk", shuffled=False)


def rand(subjects: Sequence[Subject]) -> list[Case]:
    """Allocate half of the memory page by page, and free it in random order."""
    return _halves(subjects, "rand", shuffled=True)


def repeat(subjects: Sequence[Subject]) -> list[Case]:
    """Half of the memory is allocated page by page; another page is allocated and freed at once."""
    first = subjects[0]
    n = first.n_pages // 2
    buddy, pages = first.allocator(first.n_pages), streams.empty_slots(n + 1)
    buddy.run(streams.single_pages(n), pages)
    pair = np.array([1 << 32 | n, n], np.uint64)
    return _steady(subjects, "repeat", buddy, np.tile(pair, first.n_operations // 2), pages)


def _halves(subjects: Sequence[Subject], name: str, *, shuffled: bool) -> list[Case]:
    n = subjects[0].n_pages // 2
    taking, giving = streams.single_pages(n), streams.frees(n)
    places = streams.shuffled_slots(n) if shuffled else streams.frees(n)[::-1]
    pages = streams.empty_slots(n)

    def case_of(subject: Subject, buddy: BuddyAllocator) -> Case:
        def case(times: int) -> Timed:
            got = put = 0
            for _ in range(times):
                # What the last turn left in the lists must not make this one faster or slower.
                buddy.recover()
                started = perf_counter_ns()
                buddy.run(taking, pages)
                got += perf_counter_ns() - started
                pages[:] = pages[places]
                started = perf_counter_ns()
                buddy.run(giving, pages)
                put += perf_counter_ns() - started
            return {
                subject.of(f"{name} get"): (got, n * times),
                subject.of(f"{name} put"): (put, n * times),
            }

        return case

    buddy = subjects[0].allocator(subjects[0].n_pages)
    return [case_of(*each) for each in _on_the_same_words(subjects, buddy)]


def all_of(subjects: Sequence[Subject]) -> list[Case]:
    """All cases of this file for these engines; compared cases are neighbours."""
    parts = (pinned, empty, listed, crossed, fill_and_drain, mixed, the_list, bulk, repeat, rand)
    return [case for part in parts for case in part(subjects)]
