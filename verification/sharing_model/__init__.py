"""A model of how processes share an arena, small enough to be searched to the end.

- `flaws`: the rules that can be broken on purpose, by name.
- `configuration`: how large the searched world is.
- `words`: the shared words, and what stands in them.
- `state`: the words, what the system keeps, what each process has for itself.
- `plans`: each operation as a tuple of single stores.
- `magazines`: what a process does without the lock, and how others take from it.
- `effects`: what one step of a plan changes.
- `moves`: what can happen next, in every state.
- `checks`: what must hold in every state.
- `search`: breadth-first, with a trace of the shortest violation.

From a shell: `python -m verification.sharing_model --procs 2 --slots 2 --deaths 1`.
"""

from __future__ import annotations

from verification.sharing_model.configuration import Configuration
from verification.sharing_model.flaws import Flaw
from verification.sharing_model.search import Result, search

__all__ = ["Configuration", "Flaw", "Result", "search"]
