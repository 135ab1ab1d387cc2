"""Memory stays bounded however long a trace is: nothing of it is kept."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest

from pagebuddy import COMPILED, PageRanges
from pagebuddy.tools.replaying.ranges import from_trace
from pagebuddy.tools.replaying.replay import compare
from pagebuddy.tools.replaying.variant import Policy, Variant
from pagebuddy.tools.traces.trace import Trace

pytestmark = pytest.mark.soak  # each test starts programs

VARIANTS = [Variant(PageRanges([(0, 4096)]), policy=policy) for policy in Policy]
N_LIVE = 100


def lines(form, n):
    """A header and n events, of which no more than N_LIVE spans are live at once."""
    if form == "byte CSV":
        yield "op,id,bytes\n"
        alloc, free = "alloc,{key},{size}\n", "free,{key},\n"
    elif form == "RMM log":
        yield "Thread,Time,Action,Pointer,Size,Stream\n"
        start = "9,10:00:00.{key:06},"
        alloc, free = (start + f"{do},0x{{key:x}},{{size}},0x0\n" for do in ("allocate", "free"))
    else:
        yield "event,pfn,order\n"
        alloc, free = "alloc,{key},1\n", "free,{key},1\n"
    for key in range(1, n // 2 + 1):
        yield alloc.format(key=key, size=key % 9000)
        if key > N_LIVE:
            yield free.format(key=key - N_LIVE, size=(key - N_LIVE) % 9000)


def peak_of(work):
    """The most bytes that were held at once, and what the work gave."""
    tracemalloc.start()
    try:
        found = work()
        return tracemalloc.get_traced_memory()[1], found
    finally:
        tracemalloc.stop()


def count(path):
    return sum(events.key.size for events in Trace(path))


def everything(path):
    from_trace(Trace(path), VARIANTS)
    return compare(Trace(path), VARIANTS)[0].events


@pytest.mark.parametrize(
    "form", ["byte CSV", pytest.param("RMM log", marks=pytest.mark.soak), "page CSV"]
)
@pytest.mark.parametrize(
    "work",
    [
        pytest.param(count, id="reading"),
        pytest.param(
            everything,
            id="replaying",
            marks=pytest.mark.skipif(not COMPILED, reason="takes too long uncompiled"),
        ),
    ],
)
def test_four_times_the_events_need_no_more_memory(tmp_path, form, work):
    paths = [tmp_path / f"{n}.csv.gz" for n in (150_000, 600_000)]
    for path in paths:
        with gzip.open(path, "wt", compresslevel=1) as file:
            file.writelines(lines(form, int(path.name.split(".")[0])))
    work(paths[0])  # what is imported and cached only once
    (short, n_short), (long, n_long) = (peak_of(lambda path=path: work(path)) for path in paths)
    assert n_long - n_short == 450_000
    # As arrays of an event's kind, key and size alone, the long one would need 10 MB more. In newer
    # Pythons gzip's pieces are longer, and the longest piece of a longer file may be longer.
    assert long - short < 2_000_000
