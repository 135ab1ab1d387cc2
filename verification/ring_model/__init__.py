"""A model of rings, of which queues and topics are made, small enough to search every state.

The tests search small models; `make hunt` searches larger ones. Design note 0028 explains the model.

- `flaws`: rules of the protocol that can be broken on purpose.
- `configuration`: the bounds of a search.
- `state`: the words of the ring, the arena's tickets and holds, and the private state of each process.
- `plans`: stores that several actions share: repair, advance, withdraw.
- `actions`: what each process may do next.
- `moves`: the same with a kill before each store; the first state.
- `checks`: what must hold in every state.
- `search`: breadth-first search; returns the shortest trace to a violation.

Command line: `python -m verification.ring_model --puts t p --gets 1 1 --deaths 1`.
"""

from __future__ import annotations

from verification.ring_model.configuration import Configuration
from verification.ring_model.flaws import Flaw
from verification.ring_model.search import search
from verification.sharing_model.search import Result

__all__ = ["Configuration", "Flaw", "Result", "search"]
