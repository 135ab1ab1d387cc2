"""A model of a pool: which call each worker has, and which call a dead worker was running.

The tests search small models; `make hunt` searches larger ones. Design note 0029 explains the model.

- `flaws`: rules of the protocol that can be broken on purpose.
- `configuration`: the bounds of a search.
- `state`: the rings, the rows, and the private state of each thread and process.
- `worker`: what a worker may do next.
- `parent`: what the threads of the pool's process that send and receive may do next.
- `looker`: what its thread that looks after the workers may do next.
- `checks`: what must hold in every state, and at the end.
- `search`: breadth-first search; returns the shortest trace to a violation.

The rings are those of the [ring model](../ring_model): a put and a take are one step here.

Command line: `python -m verification.pool_model --calls 3 --batch 2 --deaths 1`.
"""

from __future__ import annotations

from verification.pool_model.configuration import Configuration
from verification.pool_model.flaws import Flaw
from verification.pool_model.search import search
from verification.sharing_model.search import Result

__all__ = ["Configuration", "Flaw", "Result", "search"]
