"""Plans that resize a buffer in place, one page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.sharing_model.flaws import Flaw
from verification.sharing_model.plans.steps import BUSY, DONE, REFUSED, UNLOCK
from verification.sharing_model.words import Buffer, Record, Step

if TYPE_CHECKING:
    from verification.sharing_model.state import Operation, State


def resized(record: Record, buffer: Buffer) -> list[Step]:
    """Return the stores that resize a buffer. The record is the commit; then freed pages are listed."""
    page, was, n_pages = buffer.page, record.n_pages, buffer.n_pages
    return [
        *(Step("take", page + at) for at in range(was, n_pages)),
        Step("records", page, record._replace(n_pages=n_pages)),
        *(Step("listed", page + at, 1) for at in range(n_pages, was)),
    ]


def grow(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Lengthen a buffer: the pages behind it, then the record, then its entry if it is kept.

    If another holder grew it as far already, nothing is stored. A record never gets shorter here, even
    if this process's view is out of date.
    """
    words, old = state.words, operation.first
    record, new = words.live(old), old._replace(n_pages=old.n_pages + 1)
    if not record or not state.processes[i].has(old, None):
        return REFUSED
    seen = Step("resized", value=(old, new))
    if record.n_pages >= new.n_pages and flaw is not Flaw.GROW_CUTS:
        return [seen, UNLOCK]
    behind = range(new.page + record.n_pages, new.page + new.n_pages)
    if any(page >= len(words.listed) or not words.listed[page] for page in behind):
        return REFUSED
    steps, index = resized(record, new), words.entry_of(new)
    if index is not None:
        entry = words.directory[index]._replace(buffer=new)
        steps.append(Step("directory", index, entry))
        if flaw is Flaw.GROW_ENTRY_FIRST:
            steps.insert(0, steps.pop())
    return [BUSY, *steps, DONE, seen, UNLOCK]


def shrink(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Shorten a buffer without other users: this process's view first, then the record.

    The process is the only holder, its slot is not shared, no ticket names the buffer, and it has one
    view.
    """
    words, me, old = state.words, state.processes[i], operation.first
    record, new = words.live(old), old._replace(n_pages=max(1, old.n_pages - 1))
    if not record or not me.has(old, None):
        return REFUSED
    others = words.holds[old.page] & ~(1 << me.slot)
    in_use = {
        Flaw.SHRINK_IGNORES_HOLDERS: others,
        Flaw.SHRINK_IGNORES_TICKETS: words.ticket_counts[old.page],
        Flaw.SHRINK_IGNORES_STICKY: state.sticky[me.slot],
        Flaw.SHRINK_IGNORES_VIEWS: me.views_of(old) > 1,
    }
    if record.n_pages <= new.n_pages or any(
        used for ignored, used in in_use.items() if flaw is not ignored
    ):
        return REFUSED
    seen, steps = Step("resized", value=(old, new)), resized(record, new)
    if flaw is Flaw.SHRINK_VIEW_LAST:
        return [BUSY, *steps, DONE, seen, UNLOCK]
    return [BUSY, seen, *steps, DONE, UNLOCK]
