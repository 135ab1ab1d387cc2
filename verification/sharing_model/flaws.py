"""Flaws that the model can be given. Each breaks one rule of the protocol; used to test the search.

For all but six flaws the search finds a violation. The six exceptions:

- `COMMIT_BEFORE_HOLD`, `CLAIM_TICKET_FIRST`, `REPLACED_HOLD_FIRST`: a kill between the two stores has
  the same result in either order, because only recovery reads between them.
- `NO_ENTRY_SWEEP`: the omitted step is not needed after any kill.
- `LOAD_SHARED`, `LOAD_IGNORES_TICKETS`: a round is not drawn while another process holds it or a
  ticket names it.
"""

from __future__ import annotations

from enum import Enum


class Flaw(Enum):
    """A rule that is broken on purpose. The value is its name on the command line.

    >>> Flaw("no_serial").rule
    'a claim compares the serial, so a used handle never matches a later ticket'
    """

    NO_ORPHAN_SWEEP = "no_orphan_sweep"
    COMMIT_BEFORE_HOLD = "commit_before_hold"
    DROP_IGNORES_TICKETS = "drop_ignores_tickets"
    NO_SERIAL = "no_serial"
    CLAIM_TICKET_FIRST = "claim_ticket_first"
    CHILD_REGISTERS_ITSELF = "child_registers_itself"
    SHARE_SLOT_NOT_STICKY = "share_slot_not_sticky"
    UNSHARE_EARLY = "unshare_early"
    LEAVE_BEFORE_HOLDS = "leave_before_holds"
    BITS_BEFORE_SLOT = "bits_before_slot"
    UNLEASE_BEFORE_FORK = "unlease_before_fork"
    FORK_UNLOCKED = "fork_unlocked"
    FREE_SLOT_FIRST = "free_slot_first"
    CHUNKED = "chunked"
    CHUNKED_RECHECK = "chunked_recheck"
    BUSY_CLEARED_BEFORE_RECOVER = "busy_cleared_before_recover"
    ALLOC_ADDS_HOLD = "alloc_adds_hold"
    CLAIM_NOT_COUNTED = "claim_not_counted"
    CLAIM_ENDS_TICKET = "claim_ends_ticket"
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
    FREED_IS_FOUND = "freed_is_found"
    LISTS_STAY = "lists_stay"
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
    TRIM_WITHOUT_HOLD = "trim_without_hold"
    TRIM_IN_SHARED_SLOT = "trim_in_shared_slot"
    PIECE_NOT_COUNTED = "piece_not_counted"
    SLOT_KEEPS_MARKS = "slot_keeps_marks"
    GROUP_NOT_REAPED = "group_not_reaped"
    GROUP_IGNORED = "group_ignored"
    GROUP_IGNORES_SLOT = "group_ignores_slot"
    GROUP_IGNORES_GENERATION = "group_ignores_generation"
    TIED_NOT_REAPED = "tied_not_reaped"
    TIED_IGNORES_SLOT = "tied_ignores_slot"
    TIED_IGNORES_GENERATION = "tied_ignores_generation"

    @property
    def rule(self) -> str:
        """The rule that this flaw breaks."""
        return RULES[self]


RULES = {
    Flaw.NO_ORPHAN_SWEEP: "recovery frees live buffers without a holder or ticket",
    Flaw.COMMIT_BEFORE_HOLD: "an allocation stores its hold before its record",
    Flaw.DROP_IGNORES_TICKETS: "the last holder frees a buffer only if no ticket names it",
    Flaw.NO_SERIAL: "a claim compares the serial, so a used handle never matches a later ticket",
    Flaw.CLAIM_TICKET_FIRST: "a claim stores its hold before it clears the ticket",
    Flaw.CHILD_REGISTERS_ITSELF: "the parent gives the child its slot, lease and holds before the fork",
    Flaw.SHARE_SLOT_NOT_STICKY: "a slot that parent and child share becomes sticky before the fork",
    Flaw.UNSHARE_EARLY: "a slot is sticky until a single process has it",
    Flaw.LEAVE_BEFORE_HOLDS: "a process leaves a shared slot after it got its holds in another slot",
    Flaw.BITS_BEFORE_SLOT: "a slot is live before it gets a hold",
    Flaw.UNLEASE_BEFORE_FORK: "the parent keeps the child's lease until the fork is done",
    Flaw.FORK_UNLOCKED: "the parent holds the lock during the fork",
    Flaw.FREE_SLOT_FIRST: "a slot loses its last hold before it becomes free",
    Flaw.CHUNKED: "a reap in pieces checks again, after each relock, that the slot is dead",
    Flaw.CHUNKED_RECHECK: "a reap in pieces also compares the slot's generation after each relock",
    Flaw.BUSY_CLEARED_BEFORE_RECOVER: "recovery clears busy last",
    Flaw.ALLOC_ADDS_HOLD: "an allocation overwrites its holds: a reap walks live buffers only",
    Flaw.CLAIM_NOT_COUNTED: "a ticket is claimed at most as often as its sender allowed",
    Flaw.CLAIM_ENDS_TICKET: "a claim ends a ticket only if it is the last one",
    Flaw.WITHDRAW_NO_SERIAL: "withdrawing or expiring a ticket compares its serial",
    Flaw.WITHDRAW_IGNORES_HOLDERS: "ending a ticket frees the buffer only if it has no holder",
    Flaw.WITHDRAW_LEAVES_BUFFER: "ending a ticket frees the buffer if it has no holder",
    Flaw.KEEP_STATE_BEFORE_FIELDS: "an entry's fields are stored before its state",
    Flaw.KEEP_STATE_BEFORE_HOLD: "the arena's hold is stored before the entry that keeps the buffer",
    Flaw.REPLACE_OLD_FIRST: "the new entry is stored before the old one is cleared",
    Flaw.REPLACED_HOLD_FIRST: "a replaced entry is cleared before the arena's hold of its buffer",
    Flaw.UNKEEP_HOLD_FIRST: "an entry is cleared before the arena's hold ends",
    Flaw.DROP_IGNORES_KEPT: "the last holder frees a buffer only if it is not kept",
    Flaw.FIND_BEFORE_LOCK: "a key is looked up under the lock under which the hold is gained",
    Flaw.FREED_IS_FOUND: "a freed entry leaves the lists in which it is searched for",
    Flaw.LISTS_STAY: "recovery builds the lists in which entries are searched for again",
    Flaw.OLDER_ENTRY_WINS: "of two entries with the same key or buffer, recovery drops the older",
    Flaw.EMPTY_KEYS_CONFLICT: "any number of entries may have the empty key",
    Flaw.MOVED_KEY_STAYS: "recovery leaves at most one entry for a buffer",
    Flaw.NO_KEPT_SWEEP: "recovery ends the arena's hold of a buffer without an entry",
    Flaw.NO_ENTRY_SWEEP: "recovery drops an entry whose buffer is gone",
    Flaw.SWEEP_BEFORE_DIRECTORY: "recovery ends the arena's stray holds before it frees unused buffers",
    Flaw.GROW_CUTS: "growing never cuts a buffer that another holder grew further",
    Flaw.GROW_ENTRY_FIRST: "a kept buffer's record grows before its entry",
    Flaw.SHRINK_IGNORES_HOLDERS: "a buffer shrinks only if it has no other holder",
    Flaw.SHRINK_IGNORES_TICKETS: "a buffer shrinks only if no ticket names it",
    Flaw.SHRINK_IGNORES_STICKY: "a buffer shrinks only if its holder's slot is not shared",
    Flaw.SHRINK_IGNORES_VIEWS: "a buffer shrinks only if it has a single view",
    Flaw.SHRINK_VIEW_LAST: "a view is shortened before the record",
    Flaw.SIZE_BEFORE_LOCK: "keeping or sending a buffer reads its size under the lock",
    Flaw.DETACH_LEAVES_HOLDS: "detaching ends every hold of the slot, even without a view",
    Flaw.DETACH_FREES_STICKY: "detaching does not free a slot that is shared",
    Flaw.DETACH_LEASE_FIRST: "a slot is freed before its lease ends",
    Flaw.LEASE_IGNORED: "a free slot whose lease has not ended is skipped",
    Flaw.LOAD_SHARED: "a process loads only buffers without another holder into its magazine",
    Flaw.LOAD_IGNORES_TICKETS: "a process loads only buffers without a ticket into its magazine",
    Flaw.LOAD_STICKY: "a process that shares its slot does not load its magazine",
    Flaw.LOAD_BESIDE_OPERATION: "a thread does not load while another thread is in an operation",
    Flaw.DRAW_LOOKS_ONCE: "after drawing a round, a process checks again for other holders",
    Flaw.GAIN_LEAVES_ROUND: "gaining a view of one's own round removes it from the magazine first",
    Flaw.TAKE_UNSWAPPED: "taking a round from another process's magazine uses compare-and-swap",
    Flaw.TAKE_UNMARKED: "a round is marked as taken until its hold has ended",
    Flaw.TAKEN_STAYS: "recovery ends the holds of rounds that are marked as taken",
    Flaw.REAP_LEAVES_ROUNDS: "a slot's magazine is emptied before its holds end",
    Flaw.TRIM_WITHOUT_HOLD: "a trim holds the pages whose memory it returns, as a buffer",
    Flaw.TRIM_IN_SHARED_SLOT: "a process that shares its slot takes no pages to trim",
    Flaw.PIECE_NOT_COUNTED: "a slot counts the pieces of its process's trims",
    Flaw.SLOT_KEEPS_MARKS: "a slot loses its marks of trims when its state is stored",
    Flaw.GROUP_NOT_REAPED: "before a group ends, the slots of dead processes are reaped",
    Flaw.GROUP_IGNORED: "ending a group ends only tickets of that group",
    Flaw.GROUP_IGNORES_SLOT: "ending a group leaves the tickets of processes that have their slots",
    Flaw.GROUP_IGNORES_GENERATION: "a ticket's sender is known by its slot and that slot's generation",
    Flaw.TIED_NOT_REAPED: "before tied tickets expire, the slots of dead processes are reaped",
    Flaw.TIED_IGNORES_SLOT: "a tied ticket stays as long as a process has its sender's slot",
    Flaw.TIED_IGNORES_GENERATION: "a tied ticket's sender is known by its slot's generation too",
}
