"""Each operation as a sequence of single stores. The process may be killed before any of them.

The shared words change only under the lock, so an operation is planned when it gets the lock. Used by
`effects` and `checks`.

- `spans`: allocate, join and drop a buffer.
- `sizes`: grow and shrink a buffer.
- `tickets`: send, claim, withdraw and expire; end a group; let tied tickets expire.
- `trims`: take a free page as a buffer, and return it.
- `directory`: keep, unkeep and find.
- `slots`: attach, detach, fork, end the sharing of a slot, leave it, and reap.
- `recovery`: what a process does first if the previous owner of the lock died.
- `steps`: steps that most plans share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.sharing_model.plans.directory import find, keep, unkeep
from verification.sharing_model.plans.sizes import grow, shrink
from verification.sharing_model.plans.slots import (
    attach,
    detach,
    fork,
    free_slot,
    leave_slot,
    reap,
    reap_page,
    unshare,
)
from verification.sharing_model.plans.spans import alloc, drop, join
from verification.sharing_model.plans.tickets import (
    claim,
    end_group,
    end_tickets,
    expire,
    expire_tied,
    send,
    untie,
    withdraw,
)
from verification.sharing_model.plans.trims import drop_piece, end_trim, trim

if TYPE_CHECKING:
    from verification.sharing_model.flaws import Flaw
    from verification.sharing_model.plans.steps import Plan
    from verification.sharing_model.state import State
    from verification.sharing_model.words import Step

PLANS: dict[str, Plan] = {
    plan.__name__: plan
    for plan in (
        *(alloc, join, drop, grow, shrink),
        *(send, claim, withdraw, expire, end_group, end_tickets, expire_tied, untie),
        *(trim, drop_piece, end_trim),
        *(keep, unkeep, find),
        *(reap_page, free_slot),  # used only by flaws
        *(attach, detach, fork, unshare, leave_slot, reap),
    )
}


def plan_of(state: State, i: int, flaw: Flaw | None) -> tuple[Step, ...]:
    """Return the steps of process `i`'s operation, planned in this state, under the lock."""
    operation = state.processes[i].operation
    assert operation is not None
    return tuple(PLANS[operation.name](state, i, operation, flaw))
