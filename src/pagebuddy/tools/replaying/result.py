"""What a replay found."""

from __future__ import annotations

from dataclasses import dataclass

from pagebuddy import Stats
from pagebuddy.tools.pictures.layout import Layout


@dataclass(frozen=True)
class ReplayResult:
    """What a replay found. Sizes in pages, times in seconds.

    - the `format` of the trace, and the `unit` of its sizes, orders or bytes; the `policy` by
      which they became pages, exact or blocks
    - `events` of the trace; `allocs` and `frees` of them became operations, of these `failures`
      were allocations that found no room, and `empty` those of no bytes, which take no page
    - not replayed: `skipped_allocs` of keys still live, `skipped_frees` of keys whose allocation
      was not recorded. `differing_sizes`: frees that told another size than their allocation
    - `failed_in_trace`: allocations that failed when recorded; `lost`: events that the recorder
      lost; `assumed`: allocations that were not recorded but had to be before; `disordered`:
      events earlier than the one before, replayed where they stand
    - `overlaps`: pages that two live spans had at once, or that were outside: 0 unless the
      allocator is wrong
    - `asked_at_peak` and `asked_in_end`: the bytes that the spans live then were asked for
    - `peak` and `end`: the figures when the most pages were used, and after the last event;
      `fullest` and `final`: how memory lay then
    - `core_seconds` for the operations alone; `total_seconds` with reading the trace and
      preparing them
    """

    trace: str
    format: str
    unit: str
    page_size: int
    max_order: int
    policy: str
    events: int
    allocs: int
    frees: int
    failures: int
    empty: int
    skipped_allocs: int
    skipped_frees: int
    differing_sizes: int
    failed_in_trace: int
    lost: int
    assumed: int
    disordered: int
    overlaps: int
    asked_at_peak: int
    asked_in_end: int
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

    @property
    def rounding(self) -> int:
        """Bytes used at the peak that nobody asked for."""
        return self.peak.used * self.page_size - self.asked_at_peak

    def as_dict(self) -> dict[str, object]:
        """All figures by name, ready for JSON."""
        figures: dict[str, object] = {
            name: value
            for name, value in vars(self).items()
            if isinstance(value, int | float | str)
        }
        figures["rounding"] = self.rounding
        return figures | {"peak": self.peak.as_dict(), "end": self.end.as_dict()}
