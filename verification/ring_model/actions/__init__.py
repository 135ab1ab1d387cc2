"""What a process may do next. Used by `moves` and `checks`.

- `world`: what all actions share.
- `waiting`: waits and wakes.
- `producers`, `evictions`: put and publish.
- `consumers`: get.
- `subscribers`: subscribe and read.
- `endings`: end what the dead own; unlink.
- `actions`: all of them by name; what a kill leaves.
"""

from __future__ import annotations

from verification.ring_model.actions.actions import Actions, lost
from verification.ring_model.actions.world import WAITING

__all__ = ["WAITING", "Actions", "lost"]
