"""The flaws that the model can be given: each breaks one rule, and the search must find the damage.

Six do none. Of `COMMIT_BEFORE_HOLD`, `CLAIM_TICKET_FIRST` and `REPLACED_HOLD_FIRST` every death ends
as one by the rule does, as nobody reads between the two stores but recovery; `NO_ENTRY_SWEEP` leaves
out what no death makes necessary; and what is loaded under `LOAD_SHARED` and `LOAD_IGNORES_TICKETS` is
not drawn as long as another holds it, or a ticket names it.
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
    ALLOC_ADDS_HOLD = "alloc_adds_hold"
    WITHDRAW_NO_SERIAL = "withdraw_no_serial"
    WITHDRAW_IGNORES_HOLDERS = "withdraw_ignores_holders"
    WITHDRAW_LEAVES_BUFFER = "withdraw_leaves_buffer"
    KEEP_STATE_BEFORE_FIELDS = "keep_state_before_fields"
    KEEP_STATE_BEFORE_HOLD = "keep_state_before_hold"
    REPLACE_OLD_FIRST = "replace_old_first"
    REPLACED_HOLD_FIRST = "replaced_hold_first"
    UNKEEP_HOLD_FIRST = "unkeep_hold_first"
    DROP_IGNORES_KEPT = "drop_ignores_kept"
    FIND_BEFORE_LOCK = "find_before_lock"
    LOOKUP_STOPS_AT_FREE = "lookup_stops_at_free"
    FORGETTING_ENDS_SEARCHES = "forgetting_ends_searches"
    OLDER_ENTRY_WINS = "older_entry_wins"
    EMPTY_KEYS_CONFLICT = "empty_keys_conflict"
    MOVED_KEY_STAYS = "moved_key_stays"
    NO_KEPT_SWEEP = "no_kept_sweep"
    NO_ENTRY_SWEEP = "no_entry_sweep"
    SWEEP_BEFORE_DIRECTORY = "sweep_before_directory"
    GROW_CUTS = "grow_cuts"
    GROW_ENTRY_FIRST = "grow_entry_first"
    SHRINK_IGNORES_HOLDERS = "shrink_ignores_holders"
    SHRINK_IGNORES_TICKETS = "shrink_ignores_tickets"
    SHRINK_IGNORES_STICKY = "shrink_ignores_sticky"
    SHRINK_IGNORES_VIEWS = "shrink_ignores_views"
    SHRINK_VIEW_LAST = "shrink_view_last"
    SIZE_BEFORE_LOCK = "size_before_lock"
    DETACH_LEAVES_HOLDS = "detach_leaves_holds"
    DETACH_FREES_STICKY = "detach_frees_sticky"
    DETACH_LEASE_FIRST = "detach_lease_first"
    LEASE_IGNORED = "lease_ignored"
    LOAD_SHARED = "load_shared"
    LOAD_IGNORES_TICKETS = "load_ignores_tickets"
    LOAD_STICKY = "load_sticky"
    LOAD_BESIDE_OPERATION = "load_beside_operation"
    DRAW_LOOKS_ONCE = "draw_looks_once"
    GAIN_LEAVES_ROUND = "gain_leaves_round"
    TAKE_UNSWAPPED = "take_unswapped"
    TAKE_UNMARKED = "take_unmarked"
    TAKEN_STAYS = "taken_stays"
    REAP_LEAVES_ROUNDS = "reap_leaves_rounds"

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
    Flaw.ALLOC_ADDS_HOLD: "an allocation stores its holds whole, as a reap walks live buffers alone",
    Flaw.WITHDRAW_NO_SERIAL: "a ticket that is withdrawn, or too old, is compared by its serial",
    Flaw.WITHDRAW_IGNORES_HOLDERS: "a ticket's end frees a buffer only if nobody holds it",
    Flaw.WITHDRAW_LEAVES_BUFFER: "a ticket's end frees a buffer that nobody holds",
    Flaw.KEEP_STATE_BEFORE_FIELDS: "an entry's fields are stored before its state",
    Flaw.KEEP_STATE_BEFORE_HOLD: "the arena holds a buffer before an entry keeps it",
    Flaw.REPLACE_OLD_FIRST: "the new entry stands before the old one is cleared",
    Flaw.REPLACED_HOLD_FIRST: "a replaced entry is cleared before the arena's hold of its buffer",
    Flaw.UNKEEP_HOLD_FIRST: "an entry is cleared before the arena's hold ends",
    Flaw.DROP_IGNORES_KEPT: "the last holder frees a buffer only if it is not kept",
    Flaw.FIND_BEFORE_LOCK: "a key is looked up under the lock under which the hold is gained",
    Flaw.LOOKUP_STOPS_AT_FREE: "the search for a key passes over entries that are free again",
    Flaw.FORGETTING_ENDS_SEARCHES: "a freed entry ends searches only if none behind it is in use",
    Flaw.OLDER_ENTRY_WINS: "of two entries of one key, or of one buffer, recovery drops the older",
    Flaw.EMPTY_KEYS_CONFLICT: "any number of entries may have the empty key",
    Flaw.MOVED_KEY_STAYS: "recovery leaves a buffer only one entry",
    Flaw.NO_KEPT_SWEEP: "recovery ends the arena's hold of a buffer that no entry keeps",
    Flaw.NO_ENTRY_SWEEP: "recovery drops an entry whose buffer is gone",
    Flaw.SWEEP_BEFORE_DIRECTORY: "recovery ends the arena's stray holds before it frees what nobody has",
    Flaw.GROW_CUTS: "a buffer that another holder grew further is not cut by growing it",
    Flaw.GROW_ENTRY_FIRST: "a kept buffer's record grows before its entry",
    Flaw.SHRINK_IGNORES_HOLDERS: "a buffer shrinks only if nobody else holds it",
    Flaw.SHRINK_IGNORES_TICKETS: "a buffer shrinks only if no ticket names it",
    Flaw.SHRINK_IGNORES_STICKY: "a buffer shrinks only if its holder's slot is nobody else's",
    Flaw.SHRINK_IGNORES_VIEWS: "a buffer shrinks only if it has a single view",
    Flaw.SHRINK_VIEW_LAST: "a view is shortened before the record",
    Flaw.SIZE_BEFORE_LOCK: "who keeps or sends a buffer reads its size under the lock",
    Flaw.DETACH_LEAVES_HOLDS: "who detaches ends every hold of its slot, even without a view",
    Flaw.DETACH_FREES_STICKY: "a slot that others share is not freed by who detaches",
    Flaw.DETACH_LEASE_FIRST: "a slot is freed while its lease is there",
    Flaw.LEASE_IGNORED: "a free slot whose lease is still there is passed over",
    Flaw.LOAD_SHARED: "a process loads its magazine only with what nobody else holds",
    Flaw.LOAD_IGNORES_TICKETS: "a process loads its magazine only with what no ticket names",
    Flaw.LOAD_STICKY: "a process that shares its slot loads no magazine",
    Flaw.LOAD_BESIDE_OPERATION: "nothing is loaded while another thread is in an operation",
    Flaw.DRAW_LOOKS_ONCE: "who drew a round looks again whether anybody joined meanwhile",
    Flaw.GAIN_LEAVES_ROUND: "who gains a view of a round of its own takes it out first",
    Flaw.TAKE_UNSWAPPED: "a round is taken out of another's magazine by comparing and swapping",
    Flaw.TAKE_UNMARKED: "a round is marked as taken until its hold has ended",
    Flaw.TAKEN_STAYS: "recovery ends the holds of rounds that are marked as taken",
    Flaw.REAP_LEAVES_ROUNDS: "a slot's magazine is emptied before its holds end",
}
