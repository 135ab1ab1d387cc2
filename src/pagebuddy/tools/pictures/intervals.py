"""Figures at even intervals of operations. Used by `timeline` and by `replaying.contiguity`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

_LEAST_APART = 16


class Dated(Protocol):
    """Figures after a number of operations."""

    @property
    def operations(self) -> int:
        """The number of operations before."""


_D = TypeVar("_D", bound=Dated)


class Intervals(Generic[_D]):
    """Figures at even intervals of operations, at most `most` + 1 moments.

    When there are too many moments, every second one is dropped and the interval `apart` doubles.

    Invariants: `moments` ascend; each is a multiple of `apart`, or was the last when it was added.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.apart = 0
        self.operations = 0
        self.moments: list[_D] = []

    def begin(self, n_pages: int, pages_an_operation: int) -> None:
        """Choose the first interval: a look takes as long as an operation for so many of all pages."""
        self.apart = max(n_pages // pages_an_operation, _LEAST_APART)

    def stops(self, n: int) -> Iterator[int]:
        """Yield the numbers, within the next n operations, after which to look; counts n operations."""
        start, end = self.operations, self.operations + n
        while (stop := (self.operations // self.apart + 1) * self.apart) <= end:
            self.operations = stop
            yield stop - start
        self.operations = end

    def append(self, moment: _D) -> None:
        """Add the figures as of now."""
        self.moments.append(moment)
        if len(self.moments) > self.most and self.operations % self.apart == 0:
            self.apart *= 2
            self.moments = [m for m in self.moments if m.operations % self.apart == 0]
