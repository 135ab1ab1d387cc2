"""What can go wrong, as a tree. Each is also the built-in that a caller would already catch.

    PageBuddyError
    ├── OutOfPages (MemoryError)          nothing free that would do
    ├── BadFree (ValueError)              what was given back was not a live span
    ├── StaleHandle (LookupError)         a handle to what is gone
    ├── CorruptMetadata (RuntimeError)    stored bytes are not what they must be
    ├── OutOfSlots (RuntimeError)         no room for another process or key
    ├── OutOfTickets (RuntimeError)       no room for another handle on its way
    ├── ArenaExists (FileExistsError)     the name is taken
    ├── ArenaNotFound (FileNotFoundError) nothing has that name
    └── ArenaClosed (ValueError)          used after close

A wrong type is a plain `TypeError`, a wrong value a plain `ValueError`. Nothing is changed when any of
these is raised.
"""

from __future__ import annotations

from pagebuddy.arguments import numeral


class PageBuddyError(Exception):
    """What all errors of this package have in common.

    Each is made of its arguments alone, so that it travels between processes with its figures.
    """


class OutOfPages(PageBuddyError, MemoryError):
    """No free pages that would do.

    Attributes, all in pages: `requested`, `free` (in all), `largest_free` (the longest free run; a
    request up to that long would have succeeded). Where the request was limited to a window, `free`
    and `largest_free` are those of the window. `page_size` is in bytes, or None where pages have no
    size; the message then speaks of pages only.
    """

    def __init__(
        self,
        requested: int,
        free: int,
        largest_free: int,
        page_size: int | None = None,
        where: str = "",
    ) -> None:
        self.requested = requested
        self.free = free
        self.largest_free = largest_free
        self.page_size = page_size
        self.where = where
        super().__init__(requested, free, largest_free, page_size, where)

    def __str__(self) -> str:
        asked, free, largest = map(self._amount, (self.requested, self.free, self.largest_free))
        where = f" {self.where}" if self.where else ""
        if self.largest_free >= self.requested:
            advice = "relax the alignment or the place asked for"
        elif self.free >= self.requested:
            advice = "ask for less at once, or free what lies between"
        else:
            advice = "free something first, or ask for less"
        return f"no room for {asked}{where}: {free} free, the longest run {largest}; {advice}"

    def _amount(self, n_pages: int) -> str:
        pages = f"{numeral(n_pages)} {'page' if n_pages == 1 else 'pages'}"
        if self.page_size is None:
            return pages
        return f"{pages} ({numeral(n_pages * self.page_size)} bytes)"


class BadFree(PageBuddyError, ValueError):
    """A page that is not the first of a live span, or not of the span that the caller meant.

    Attributes: `page`, and `reason`: "outside" (no page of this allocator), "free" (not allocated,
    perhaps freed twice), "interior" (inside a live span), "size" or "generation" (a live span, but not
    the one expected; `expected` and `found` tell).
    """

    def __init__(
        self,
        page: int,
        reason: str,
        message: str,
        expected: int | None = None,
        found: int | None = None,
    ) -> None:
        self.page = page
        self.reason = reason
        self.message = message
        self.expected = expected
        self.found = found
        super().__init__(page, reason, message, expected, found)

    def __str__(self) -> str:
        return self.message


class StaleHandle(PageBuddyError, LookupError):
    """A handle that is doubled, cut, changed, foreign, or names what is gone."""


class CorruptMetadata(PageBuddyError, RuntimeError):
    """Stored bytes that break an invariant; `invariant` names it, `page` tells where, if known."""

    def __init__(
        self,
        invariant: str,
        detail: str = "",
        page: int | None = None,
        advice: str = "recover() rebuilds all but the records of live spans",
    ) -> None:
        self.invariant = invariant
        self.detail = detail
        self.page = page
        self.advice = advice
        super().__init__(invariant, detail, page, advice)

    def __str__(self) -> str:
        text = f"metadata is corrupt: it does not hold that {self.invariant}"
        if self.detail:
            text += f" ({self.detail})"
        return f"{text}; {self.advice}"


class OutOfSlots(PageBuddyError, RuntimeError):
    """No room for another process, or for another kept buffer."""


class OutOfTickets(PageBuddyError, RuntimeError):
    """No room for another handle on its way."""


class ArenaExists(PageBuddyError, FileExistsError):
    """The name is taken."""


class ArenaNotFound(PageBuddyError, FileNotFoundError):
    """No arena has that name."""


class ArenaClosed(PageBuddyError, ValueError):
    """This arena object was closed."""
