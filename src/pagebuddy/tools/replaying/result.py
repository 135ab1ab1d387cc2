"""The figures of a replay. Made by `replay`, printed by `report` and `comparison`."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from pagebuddy import Stats
from pagebuddy.tools.pictures.layout import Layout


@dataclass(frozen=True)
class ReplayResult:
    """The figures of a replay. Sizes in pages, times in seconds.

    - `format` of the trace; `unit` of its sizes, orders or bytes; `policy`, exact or blocks
    - `events` of the trace; `allocs` and `frees` that were replayed; `failures`, allocations that did
      not fit; `empty`, allocations of 0 bytes, which need no page
    - not replayed: `skipped_allocs` of keys in use, `skipped_frees` without a recorded allocation;
      `differing_sizes`: frees with another size than their allocation
    - `failed_in_trace`: allocations that failed in the recorded system; `lost`: events that the
      recorder lost; `assumed`: allocations from before the recording; `disordered`: events with a
      time before the previous one, replayed in file order
    - `overlaps`: pages in two live spans at once, or outside the ranges; 0 for a correct allocator
    - `asked_at_peak` and `asked_in_end`: bytes requested by the spans live at that moment
    - `contiguity`: the share of the free memory in free blocks of 2 MiB at the ends of 16 equal parts of
      the operations; empty if the memory has no such block
    - `peak` and `end`: statistics when most pages were used, and after the last event; `fullest` and
      `final`: the layouts of memory at these moments
    - `core_seconds` for the operations alone; `total_seconds` with reading and preparing the trace
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
    contiguity: tuple[float, ...]
    peak: Stats
    end: Stats
    fullest: Layout
    final: Layout
    compiled: bool
    core_seconds: float
    total_seconds: float

    @property
    def operations(self) -> int:
        """The number of events that were replayed."""
        return self.allocs + self.frees

    @property
    def rounding(self) -> int:
        """Bytes used at the peak that were not requested."""
        return self.peak.used * self.page_size - self.asked_at_peak

    @property
    def mean_contiguity(self) -> float | None:
        """The mean of `contiguity`; None if it is empty."""
        return fmean(self.contiguity) if self.contiguity else None

    def as_dict(self) -> dict[str, object]:
        """All figures by name, ready for JSON."""
        figures: dict[str, object] = {
            name: value
            for name, value in vars(self).items()
            if isinstance(value, int | float | str)
        }
        figures["rounding"] = self.rounding
        figures["contiguity"] = list(self.contiguity)
        figures["mean_contiguity"] = self.mean_contiguity
        return figures | {"peak": self.peak.as_dict(), "end": self.end.as_dict()}
