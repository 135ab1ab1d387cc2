"""Tools for testing page allocators: ours, and those of other projects.

- `pagebuddy.testing.model`: a naive allocator made of sets of pages, to compare with.
- `pagebuddy.testing.outcomes`: checks that a call fails and changes nothing.
- `pagebuddy.testing.crash`: stops the engine after any store, as if its process were killed.
- `pagebuddy.testing.strategies`: Hypothesis strategies for page ranges.
- `pagebuddy.testing.machine`: a Hypothesis state machine that compares an allocator with the model.

`strategies` and `machine` need `hypothesis`, so import them by their full names.
"""

from __future__ import annotations

from pagebuddy.testing.model import NaiveAllocator
from pagebuddy.testing.outcomes import out_of_pages, refused

__all__ = ["NaiveAllocator", "out_of_pages", "refused"]
