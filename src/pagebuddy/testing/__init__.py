"""Tools for testing page allocators, shipped so that other projects can use them.

- `pagebuddy.testing.model`: a naive allocator made of sets of pages, which says what must happen.
- `pagebuddy.testing.outcomes`: checks that a call fails and changes nothing.
- `pagebuddy.testing.crash`: the engine stopped at any store, as if its process had been killed.
- `pagebuddy.testing.strategies`: Hypothesis strategies for page ranges.
- `pagebuddy.testing.machine`: a Hypothesis state machine that compares an allocator with the model.

`strategies` and `machine` need `hypothesis`, so import them by name.
"""

from __future__ import annotations

from pagebuddy.testing.model import NaiveAllocator
from pagebuddy.testing.outcomes import out_of_pages, refused

__all__ = ["NaiveAllocator", "out_of_pages", "refused"]
