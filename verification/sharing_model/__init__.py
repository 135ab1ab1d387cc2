"""A model of the sharing protocol, small enough to search every state.

The tests search small models; `make hunt` searches larger ones. Design note 0013 explains the model.

- `flaws`: rules of the protocol that can be broken on purpose.
- `configuration`: the bounds of a search.
- `words`: the shared words and what they contain.
- `state`: the complete state: shared words, leases, and the private state of each process.
- `plans`: each operation as a sequence of single stores.
- `magazines`: what a process does without the lock, and how others take rounds from its magazine.
- `effects`: what one step of a plan changes.
- `moves`: everything that can happen next in a state.
- `checks`: what must hold in every state.
- `search`: breadth-first search; returns the shortest trace to a violation.

Command line: `python -m verification.sharing_model --procs 2 --slots 2 --deaths 1`.
"""

from __future__ import annotations

from verification.sharing_model.configuration import Configuration
from verification.sharing_model.flaws import Flaw
from verification.sharing_model.search import Result, search

__all__ = ["Configuration", "Flaw", "Result", "search"]
