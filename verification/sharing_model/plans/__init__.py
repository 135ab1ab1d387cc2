"""Each operation as a tuple of single stores; its process may be killed before any of them.

The shared words change only under the lock, so an operation is planned when it gets the lock.

- `spans`, `sizes`, `tickets`, `directory`, `slots`: the operations, by what they are about.
- `recovery`: what comes first for who gets the lock from an owner that died.
- `steps`: what most plans have in common.
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
    reap,
    reap_page,
)
from verification.sharing_model.plans.spans import alloc, drop, join
from verification.sharing_model.plans.tickets import claim, expire, send, withdraw

if TYPE_CHECKING:
    from verification.sharing_model.flaws import Flaw
    from verification.sharing_model.plans.steps import Plan
    from verification.sharing_model.state import State
    from verification.sharing_model.words import Step

PLANS: dict[str, Plan] = {
    plan.__name__: plan
    for plan in (
        *(alloc, join, drop, grow, shrink),
        *(send, claim, withdraw, expire),
        *(keep, unkeep, find),
        *(reap_page, free_slot),  # only the flaws do these
        *(attach, detach, fork, reap),
    )
}


def plan_of(state: State, i: int, flaw: Flaw | None) -> tuple[Step, ...]:
    """Return the steps of process `i`'s operation, begun in this state, under the lock."""
    operation = state.processes[i].operation
    assert operation is not None
    return tuple(PLANS[operation.name](state, i, operation, flaw))
