"""Steps that most plans share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.sharing_model.flaws import Flaw
from verification.sharing_model.words import Step, Words

if TYPE_CHECKING:
    from collections.abc import Callable

    from verification.sharing_model.state import Operation, State

    Plan = Callable[[State, int, Operation, Flaw | None], list[Step]]

BUSY = Step("busy", value=1)
DONE = Step("busy", value=0)
UNLOCK = Step("unlock")
UNLOCK_EARLY = Step("unlock_early")
END = Step("end")
REFUSED = [UNLOCK]


def followed_by(operation: Operation, steps: list[Step]) -> list[Step]:
    """Return the steps of a plan that ends with `UNLOCK`, with another operation after it."""
    return [*steps[:-1], Step("pause", value=operation)]


def freeing(words: Words, page: int) -> list[Step]:
    """Return the stores that free the buffer at a page: the record first, which is the commit."""
    record = words.records[page]
    n_pages = record.n_pages if record else 0
    return [
        Step("records", page, None),
        *(Step("listed", freed, 1) for freed in range(page, page + n_pages)),
    ]


def emptying(words: Words, flaw: Flaw | None) -> list[Step]:
    """Return the steps that take every round out of every magazine."""
    return [Step("take_round", slot, flaw) for slot, it in enumerate(words.magazines) if it]


def unloading(words: Words, slot: int, page: int, flaw: Flaw | None) -> list[Step]:
    """Return the store that removes a slot's own round, so that its hold becomes the hold of a view.

    A buffer in a magazine can have other holders: one may have joined just before it was loaded.
    """
    round_ = words.magazines[slot]
    if round_ and round_.buffer.page == page and flaw is not Flaw.GAIN_LEAVES_ROUND:
        return [Step("magazines", slot, None)]
    return []


def losing(words: Words, page: int, bit: int) -> list[Step]:
    """Return the stores that end one hold of a buffer, and free the buffer if it is unused then."""
    left = words.holds[page] & ~bit
    steps = [Step("holds", page, left)] if left != words.holds[page] else []
    if words.records[page] and not left and not words.ticket_counts[page]:
        steps += freeing(words, page)
    return steps
