"""The engine's invariants, by name: what does not hold when metadata is corrupt."""

from pagebuddy.core import words

INVARIANTS: dict[int, str] = {
    words.F_NEIGHBOURS: "both neighbours of a free block point back at it",
    words.F_HEAD: "a list that the mask calls filled starts with a page",
    words.F_BIT: "exactly the blocks in the lists have their bits set",
    words.F_ASIDE: "what is aside are free pages of one page range",
    words.F_RECORD: "a live span has at least one page and ends within its page range",
    words.F_FREE: "every page is in a live span or in a free block",
    words.F_OVERLAP: "no live span starts inside another",
    words.F_LIST: "a list goes through free blocks of its order, once each",
    words.F_MASK: "the mask names exactly the lists that are not empty",
    words.F_COUNT: "the count of an order is the number of its free blocks",
    words.F_CLEAN: "nothing is stored for pages inside a span or a free block",
    words.F_MERGED: "no free block has a free buddy of its order",
    words.F_HIGH_WATER: "no live span ends above the high-water mark",
}
