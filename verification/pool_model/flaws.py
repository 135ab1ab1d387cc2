"""Rules of the protocol of pools that can be broken on purpose; used to test the search."""

from __future__ import annotations

from enum import Enum


class Flaw(Enum):
    """A rule that is broken on purpose. The value is its name on the command line.

    >>> Flaw("start_not_atomic").rule
    'a call is started by one atomic change of the row'
    """

    FINISH_BEFORE_ROW = "finish_before_row"
    FIRST_OF_OTHERS = "first_of_others"
    COUNTS_NOT_ZEROED = "counts_not_zeroed"
    COUNTS_WITHOUT_NUMBER = "counts_without_number"
    START_NOT_ATOMIC = "start_not_atomic"
    RESULT_AFTER_NEXT_START = "result_after_next_start"
    TAKE_BACK_NOT_ATOMIC = "take_back_not_atomic"
    ROW_BEFORE_RESULTS = "row_before_results"
    ROW_IN_LIFE = "row_in_life"
    ARRIVED_IGNORED = "arrived_ignored"
    MARKED_LATE = "marked_late"
    DEAD_NOT_ENDED = "dead_not_ended"
    IN_HAND_NOT_READ = "in_hand_not_read"
    ROWS_IGNORED = "rows_ignored"
    ONE_ROW = "one_row"
    REST_NOT_SENT = "rest_not_sent"
    RETURNED_AT_ONCE = "returned_at_once"
    FIRST_AFTER_COUNTS = "first_after_counts"
    FIRST_UNCHECKED = "first_unchecked"
    ROW_NOT_ZEROED = "row_not_zeroed"

    @property
    def rule(self) -> str:
        """The rule that this flaw breaks."""
        return RULES[self]

    @property
    def does_damage(self) -> bool:
        """Whether it does damage alone. If not, another rule prevents that: the rule is a second one."""
        return self not in SECOND_RULES


RULES = {
    Flaw.FINISH_BEFORE_ROW: "a worker finishes a message only after its row has it",
    Flaw.FIRST_OF_OTHERS: "the first number that is read belongs to the counts (both rules below)",
    Flaw.COUNTS_NOT_ZEROED: "the counts are 0 while the first number changes",
    Flaw.COUNTS_WITHOUT_NUMBER: "the word with the counts has the low bits of the first number",
    Flaw.START_NOT_ATOMIC: "a call is started by one atomic change of the row",
    Flaw.RESULT_AFTER_NEXT_START: "a result is put before the next call is started",
    Flaw.TAKE_BACK_NOT_ATOMIC: "calls are taken back by one atomic change of the row",
    Flaw.ROW_BEFORE_RESULTS: "all results are received before the row of a dead worker is read",
    Flaw.ROW_IN_LIFE: "the row of a worker is read after its death, not before",
    Flaw.ARRIVED_IGNORED: "a call whose result has arrived does not fail",
    Flaw.MARKED_LATE: "a result is taken, and its call marked, in one step for who looks after workers",
    Flaw.DEAD_NOT_ENDED: "the messages that the dead had in hand are ended",
    Flaw.IN_HAND_NOT_READ: "the calls of a message that the dead had in hand are sent again",
    Flaw.ROWS_IGNORED: "if a row has a message in hand, the row says which of its calls are sent again",
    Flaw.ONE_ROW: "for a message in hand, the rows of all workers are read",
    Flaw.REST_NOT_SENT: "the calls behind the one that was running are sent again",
    Flaw.RETURNED_AT_ONCE: "what is to be sent again joins the others only while nothing is being sent",
    Flaw.FIRST_AFTER_COUNTS: "the first number is stored before the counts",
    Flaw.FIRST_UNCHECKED: "who takes back compares the first number with its low bits",
    Flaw.ROW_NOT_ZEROED: "a new worker's row is zeroed before it is started",
}

SECOND_RULES = {Flaw.FIRST_AFTER_COUNTS, Flaw.FIRST_UNCHECKED, Flaw.ROW_NOT_ZEROED}
"""The first number and its low bits guard each other; and numbers are never used twice."""
