"""What a replay found."""

from __future__ import annotations

from dataclasses import dataclass

from pagebuddy import Stats
from pagebuddy.tools.layout import Layout


@dataclass(frozen=True)
class ReplayResult:
    """What a replay found. Sizes in pages, times in seconds.

    - `events` of the trace; `allocs` and `frees` of them became operations, of these `failures`
      were allocations that found no room
    - not replayed: `skipped_allocs` of pages still live, `skipped_frees` of pages whose
      allocation was not recorded. `differing_orders`: frees that told another order than their
      allocation
    - `failed_in_trace`: allocations that failed when recorded; `lost`: events that the recorder
      lost
    - `overlaps`: pages that two live spans had at once, or that were outside: 0 unless the
      allocator is wrong
    - `peak` and `end`: the figures when the most pages were used, and after the last event;
      `fullest` and `final`: how memory lay then
    - `core_seconds` for the operations alone; `total_seconds` with reading the trace and
      preparing them
    """

    trace: str
    page_size: int
    max_order: int
    events: int
    allocs: int
    frees: int
    failures: int
    skipped_allocs: int
    skipped_frees: int
    differing_orders: int
    failed_in_trace: int
    lost: int
    overlaps: int
    peak: Stats
    end: Stats
    fullest: Layout
    final: Layout
    compiled: bool
    core_seconds: float
    total_seconds: float

    @property
    def operations(self) -> int:
        """Events that became operations."""
        return self.allocs + self.frees

    def as_dict(self) -> dict[str, object]:
        """All figures by name, ready for JSON."""
        figures: dict[str, object] = {
            name: value
            for name, value in vars(self).items()
            if isinstance(value, int | float | str)
        }
        return figures | {"peak": self.peak.as_dict(), "end": self.end.as_dict()}
