"""Why allocating and freeing one page has two speeds: `python -m benchmarks.two_speeds`.

Two loops take turns: one allocates and frees a page, the other multiplies the same integers and has
nothing to do with the engine. If what decides about the speed is inside the engine, the second loop
has one speed. If it is the processor's core, because its other thread is busy with something else, both
loops have two, at the same moments.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import monotonic, perf_counter_ns

from pagebuddy.tools.bench.subject import chosen, default_is_compiled

SECONDS = 10
PAIRS = 20_000
NUMBER = 3**2000


def _multiply() -> None:
    for _ in range(40):
        _ = NUMBER * NUMBER


def _elapsed(loop: Callable[[], object]) -> int:
    started = perf_counter_ns()
    loop()
    return perf_counter_ns() - started


def main() -> None:
    """Measure for ten seconds, and print the speed of pairs by the speed of the other loop."""
    ours = chosen(compiled=default_is_compiled())
    buddy = ours.allocator(ours.n_pages)
    # Another page stays allocated, so that the free lists are partly split.
    buddy.alloc(1)
    turns: list[tuple[int, float, int]] = []
    end = monotonic() + SECONDS
    while monotonic() < end:
        before = _elapsed(_multiply)
        pairs = _elapsed(lambda: ours.bench.pairs(buddy, 1, PAIRS)) / (2 * PAIRS)
        turns.append((before, pairs, _elapsed(_multiply)))
    best = min(min(before, after) for before, _, after in turns)
    fast = [pairs for before, pairs, after in turns if max(before, after) < 1.1 * best]
    slow = [pairs for before, pairs, after in turns if min(before, after) > 1.35 * best]
    print(f"{len(turns)} turns; ns per allocation or free, while the multiplications are")
    for name, found in (("at their best speed", fast), ("a third slower, or more", slow)):
        print(
            f"  {name:24}{median(found):6.2f}  in {len(found)} turns"
            if found
            else f"  {name}: never"
        )


if __name__ == "__main__":
    main()
