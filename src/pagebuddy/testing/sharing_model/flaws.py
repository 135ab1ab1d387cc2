"""The flaws that the model can be given: each breaks one rule, and the search must find the damage.

Three do none in this model: `COMMIT_BEFORE_HOLD` and `CLAIM_TICKET_FIRST`, as nobody reads between the
two stores but recovery, which ends well either way; `FORK_UNLOCKED`, as processes have one thread.
"""

from __future__ import annotations

from enum import Enum


class Flaw(Enum):
    """A deliberate breach of one rule; its value is its name on the command line.

    >>> Flaw("no_serial").rule
    'a claim compares the serial: a used handle never fits a later ticket'
    """

    NO_ORPHAN_SWEEP = "no_orphan_sweep"
    COMMIT_BEFORE_HOLD = "commit_before_hold"
    DROP_IGNORES_TICKETS = "drop_ignores_tickets"
    NO_SERIAL = "no_serial"
    CLAIM_TICKET_FIRST = "claim_ticket_first"
    CHILD_REGISTERS_ITSELF = "child_registers_itself"
    SHARE_SLOT_NOT_STICKY = "share_slot_not_sticky"
    BITS_BEFORE_SLOT = "bits_before_slot"
    UNLEASE_BEFORE_FORK = "unlease_before_fork"
    FORK_UNLOCKED = "fork_unlocked"
    FREE_SLOT_FIRST = "free_slot_first"
    CHUNKED = "chunked"
    CHUNKED_RECHECK = "chunked_recheck"
    BUSY_CLEARED_BEFORE_RECOVER = "busy_cleared_before_recover"

    @property
    def rule(self) -> str:
        """The rule that this flaw breaks."""
        return RULES[self]


RULES = {
    Flaw.NO_ORPHAN_SWEEP: "recovery frees a live buffer that has neither holder nor ticket",
    Flaw.COMMIT_BEFORE_HOLD: "an allocation stores its hold before its record",
    Flaw.DROP_IGNORES_TICKETS: "the last holder frees a buffer only if no ticket names it",
    Flaw.NO_SERIAL: "a claim compares the serial: a used handle never fits a later ticket",
    Flaw.CLAIM_TICKET_FIRST: "a claim stores its hold before it clears the ticket",
    Flaw.CHILD_REGISTERS_ITSELF: "the parent gives the child slot, lease and holds before the fork",
    Flaw.SHARE_SLOT_NOT_STICKY: "a slot that parent and child share becomes sticky before the fork",
    Flaw.BITS_BEFORE_SLOT: "a slot is live before it gets a hold",
    Flaw.UNLEASE_BEFORE_FORK: "the parent keeps the child's lease until the fork is over",
    Flaw.FORK_UNLOCKED: "the parent keeps the lock over the fork",
    Flaw.FREE_SLOT_FIRST: "a slot loses its last hold before it becomes free",
    Flaw.CHUNKED: "a reap in pieces asks again, after each relock, whether the slot is a dead one",
    Flaw.CHUNKED_RECHECK: "a reap in pieces also compares the slot's generation after each relock",
    Flaw.BUSY_CLEARED_BEFORE_RECOVER: "recovery clears busy last",
}
