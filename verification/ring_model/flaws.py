"""Rules of the protocol of rings that can be broken on purpose; used to test the search."""

from __future__ import annotations

from enum import Enum


class Flaw(Enum):
    """A rule that is broken on purpose. The value is its name on the command line.

    >>> Flaw("no_baton").rule
    'a consumer that sees further ready messages wakes the next consumer'
    """

    READY_BEFORE_BYTES = "ready_before_bytes"
    HEAD_BEFORE_STATE = "head_before_state"
    SERIAL_BEFORE_REFERENCE = "serial_before_reference"
    HOLD_AFTER_TICKET = "hold_after_ticket"
    DONE_BEFORE_WITHDRAWAL = "done_before_withdrawal"
    TAIL_OVER_TAKEN = "tail_over_taken"
    NEXT_OVER_WRITING = "next_over_writing"
    NEXT_NOT_LOWERED = "next_not_lowered"
    GIVE_BACK_WITHDRAWN = "give_back_withdrawn"
    REFERENCES_READ_LATE = "references_read_late"
    END_UNCHECKED = "end_unchecked"
    GENERATION_IGNORED = "generation_ignored"
    BUSY_IGNORED = "busy_ignored"
    REPAIR_LEAVES_HEAD = "repair_leaves_head"
    REPAIR_LEAVES_NEXT = "repair_leaves_next"
    GIVE_UP_LEAVES_TICKETS = "give_up_leaves_tickets"
    FLAG_READ_EARLY = "flag_read_early"
    FLAG_CLEARED_LATE = "flag_cleared_late"
    FUTEX_NOT_CHANGED = "futex_not_changed"
    LOOK_BEFORE_FLAG = "look_before_flag"
    FLAG_BEFORE_FUTEX = "flag_before_futex"
    WOKEN_SETS_NO_FLAG = "woken_sets_no_flag"
    NO_BATON = "no_baton"
    ROOM_WAKES_ONE = "room_wakes_one"
    LEAVES_WITH_WAKE = "leaves_with_wake"
    GIVE_UP_WAKES_NOBODY = "give_up_wakes_nobody"
    GIVE_BACK_WAKES_NOBODY = "give_back_wakes_nobody"
    UNLINK_HEEDS_FLAG = "unlink_heeds_flag"
    CLOSE_HEEDS_FLAG = "close_heeds_flag"
    UNLINK_NAME_FIRST = "unlink_name_first"
    EVICT_BEFORE_WITHDRAWAL = "evict_before_withdrawal"
    VOID_IS_MISSED = "void_is_missed"
    NEXT_BEFORE_MISSED = "next_before_missed"
    EVICTED_IN_HAND_MISSED = "evicted_in_hand_missed"
    BLOCK_FOR_THE_DEAD = "block_for_the_dead"
    READ_WAKES_NOBODY = "read_wakes_nobody"
    READY_WAKES_NO_PUBLISHER = "ready_wakes_no_publisher"

    @property
    def rule(self) -> str:
        """The rule that this flaw breaks."""
        return RULES[self]


RULES = {
    Flaw.READY_BEFORE_BYTES: "a message is ready only after its bytes are stored",
    Flaw.HEAD_BEFORE_STATE: "the state of a cell is stored before head includes it",
    Flaw.SERIAL_BEFORE_REFERENCE: "a reference is in the ring before its ticket has a serial",
    Flaw.HOLD_AFTER_TICKET: "a consumer holds a buffer before its ticket ends",
    Flaw.DONE_BEFORE_WITHDRAWAL: "the tickets of a message end before it is done",
    Flaw.TAIL_OVER_TAKEN: "tail passes only messages that are done",
    Flaw.NEXT_OVER_WRITING: "next passes only messages that are taken or done",
    Flaw.NEXT_NOT_LOWERED: "giving back lowers next",
    Flaw.GIVE_BACK_WITHDRAWN: "a message whose tickets were withdrawn is not given back",
    Flaw.REFERENCES_READ_LATE: "references are copied under the lock under which the death was seen",
    Flaw.END_UNCHECKED: "the message of a dead process is ended only if it is still the same",
    Flaw.GENERATION_IGNORED: "an owner is its slot and the generation of the slot",
    Flaw.BUSY_IGNORED: "a process that finds the ring busy repairs it",
    Flaw.REPAIR_LEAVES_HEAD: "the repair raises head over messages that are writing or ready",
    Flaw.REPAIR_LEAVES_NEXT: "the repair lowers next to tail",
    Flaw.GIVE_UP_LEAVES_TICKETS: "giving up withdraws the tickets",
    Flaw.FLAG_READ_EARLY: "the flag of sleepers is read after the message is ready (a fence)",
    Flaw.FLAG_CLEARED_LATE: "the flag of sleepers is cleared before one is woken",
    Flaw.FUTEX_NOT_CHANGED: "a wake changes the futex",
    Flaw.LOOK_BEFORE_FLAG: "a waiter looks again after it set the flag",
    Flaw.FLAG_BEFORE_FUTEX: "a waiter reads the futex before it sets the flag",
    Flaw.WOKEN_SETS_NO_FLAG: "a woken waiter sets the flag again",
    Flaw.NO_BATON: "a consumer that sees further ready messages wakes the next consumer",
    Flaw.ROOM_WAKES_ONE: "all who wait for room are woken: there may be room for several, or for some",
    Flaw.LEAVES_WITH_WAKE: "a woken waiter that does not look again wakes another",
    Flaw.GIVE_UP_WAKES_NOBODY: "giving up wakes those who wait for room",
    Flaw.GIVE_BACK_WAKES_NOBODY: "giving back wakes a consumer",
    Flaw.UNLINK_HEEDS_FLAG: "in a closed ring all sleepers are woken, whatever the flag says",
    Flaw.CLOSE_HEEDS_FLAG: "when producers close, all sleepers are woken, whatever the flag says",
    Flaw.UNLINK_NAME_FIRST: "a ring is closed before it loses its name",
    Flaw.EVICT_BEFORE_WITHDRAWAL: "the tickets of an evicted message end before it is done",
    Flaw.VOID_IS_MISSED: "a message that never was ready is not counted as missed",
    Flaw.NEXT_BEFORE_MISSED: "the count of missed messages is stored before next",
    Flaw.EVICTED_IN_HAND_MISSED: "a message that was evicted in a reader's hand is not missed",
    Flaw.BLOCK_FOR_THE_DEAD: "a dead subscriber blocks nobody",
    Flaw.READ_WAKES_NOBODY: "a reader wakes publishers that wait for it",
    Flaw.READY_WAKES_NO_PUBLISHER: "a publisher wakes those who wait to evict its message",
}
