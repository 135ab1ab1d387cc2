"""What tests need, shipped so that the tests of others can use it too.

- `pagebuddy.testing.model`: the naive allocator, sets of pages, that tells what must happen.
- `pagebuddy.testing.outcomes`: a call that fails, and changes nothing.
- `pagebuddy.testing.crash`: the engine stopped at any store, as if its process had been killed.
- `pagebuddy.testing.dying`: processes that die for real, before any line or any store.
- `pagebuddy.testing.strategies`: Hypothesis strategies for page ranges.
- `pagebuddy.testing.machine`: a Hypothesis state machine that holds an allocator to the model.
- `pagebuddy.testing.arena_machine`: the same for one process with an arena.
- `pagebuddy.testing.processes_machine`: the same for processes that share one, of both engines.
- `pagebuddy.testing.sharing_model`: the sharing protocol, searched in every interleaving.

`strategies` and the machines need `hypothesis`, so they are imported only by name.
"""

from __future__ import annotations

from pagebuddy.testing.model import NaiveAllocator
from pagebuddy.testing.outcomes import out_of_pages, refused

__all__ = ["NaiveAllocator", "out_of_pages", "refused"]
