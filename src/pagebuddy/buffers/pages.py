"""BufferHold: keeps a buffer's memory alive, and ends this process's hold when it dies.

Every view of a buffer keeps its BufferHold alive, by an export or a reference. So the pages are freed
when this object dies, and no exports need to be counted.
"""

from typing import Any

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    import sys
    import weakref

    from pagebuddy.core.words import FIRST_NODE, u64
    from pagebuddy.memory.untracked import untracked
    from pagebuddy.sharing.holding.magazine import load
    from pagebuddy.sharing.operations.dispatch import drop_pages
    from pagebuddy.sharing.operations.enter import enter, leave
    from pagebuddy.sharing.operations.unlock_on_error import unlock_on_error
    from pagebuddy.sharing.state import ArenaState
    from pagebuddy.sharing.system.deferred import EndOf, defer
    from pagebuddy.sharing.words import (
        DONE,
        LOCK_PATIENCE_MS,
        LOCKED,
        OP_DROP,
        OWN_LOCK,
        UNLOCKABLE,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def address_of_node(a: ArenaState, node: u64) -> u64:
    """Return the address of a buffer's first byte in this process."""
    return a.data_address + ((node - FIRST_NODE) << a.page_bits)


@cython.exceptval(check=False)
@cython.cfunc
def drop(a: ArenaState, node: u64) -> cython.void:
    """End the hold of a local object that is gone; later if the lock is not available now."""
    if load(a, node):
        return
    answer: u64 = drop_pages(a, node, 0)
    # If a hold is deferred, an object has waited for the lock in vain before.
    if answer == LOCKED and not a.deferred:
        if cython.compiled:
            a.away += 1
            with cython.nogil:  # type: ignore[attr-defined]
                answer = drop_pages(a, node, LOCK_PATIENCE_MS)
            a.away -= 1
        else:
            answer = drop_pages(a, node, LOCK_PATIENCE_MS)
    if answer in (LOCKED, OWN_LOCK, UNLOCKABLE):
        defer(a, node)


if cython.compiled:

    @cython.no_gc
    @cython.freelist(256)
    @cython.final
    @cython.cclass
    class BufferHold:
        """A hold on a buffer, and its bytes. It has no references that could form a cycle."""

        attachment: ArenaState
        node: u64  # 0 while there is no hold
        n_bytes: u64  # whole pages
        asked: u64  # the size that was asked for, in bytes

        def __dealloc__(self) -> None:
            if self.node:
                drop(self.attachment, self.node)

        def __reduce__(self) -> Any:
            raise TypeError(
                "the pages of a buffer cannot be copied or pickled; copy or pickle the buffer, "
                "or an array over it"
            )

        def __getbuffer__(self, view: cython.pointer(Py_buffer), flags: cython.int) -> None:  # type: ignore  # noqa: F821
            fill_buffer(  # type: ignore  # noqa: F821
                self.attachment,
                view,
                self,
                address_of_node(self.attachment, self.node),
                self.n_bytes,
                flags,
            )

else:

    def pages_over(a: ArenaState, node: int, n_bytes: int, asked: int) -> Any:
        """Return a ctypes array over a buffer's bytes, which every view of it keeps alive.

        Nothing is done at exit: the end of the lease ends all holds.
        """
        array = untracked(address_of_node(a, node), n_bytes)
        array.attachment, array.node, array.asked = a, node, asked
        # The newest is called back first: a C function, which no signal interrupts.
        array.last = Last(array, end_now)
        array.last.attachment = a
        array.end = EndOf(array, a.deferred.append)
        array.end.node = node
        return array

    class Last(weakref.ref):  # type: ignore[type-arg]
        """What is called back last when an array is gone."""

        attachment: ArenaState | None = None

    def end_now(gone: Last, finalizing: Any = sys.is_finalizing) -> None:
        """End the holds of objects that are gone; later if the lock is not available now."""
        a = gone.attachment
        if a is None or finalizing():
            return
        # If there are others, an object has waited for the lock in vain before.
        is_first = len(a.deferred) == 1
        if end_all_deferred(a, 0) == LOCKED and is_first:
            end_all_deferred(a, LOCK_PATIENCE_MS)

    @unlock_on_error
    def end_all_deferred(a: ArenaState, milliseconds: int) -> int:
        """End the holds of objects that are gone: all that each operation does."""
        answer = enter(a, OP_DROP, milliseconds)
        return leave(a) if answer == DONE else answer

    def tell_asked(pages: Any, asked: int) -> None:
        """Store the size that was asked for."""
        pages.asked = asked

    def new_pages(a: ArenaState, n: int) -> Any:
        """Uncompiled, the exporting object is made by `filled`, when the address is known."""
        return None

    def filled(a: ArenaState, pages: Any, node: int, n: int, asked: int) -> Any:
        """Return an object that exports n pages at a node, and ends the hold when it dies."""
        return pages_over(a, node, n << a.page_bits, asked)

    def asked_of(pages: Any) -> int:
        """Return the size that was asked for, in bytes."""
        return pages.asked  # type: ignore[no-any-return]

    def node_of_pages(a: ArenaState, pages: Any) -> int:
        """Return the node of an object that exports pages of this arena; 0 for anything else."""
        if getattr(pages, "attachment", None) is not a:
            return 0
        # `copy.copy` of a ctypes array copies these attributes to an array of other memory.
        return pages.node if pages.end() is pages else 0

    def zero_out(view: memoryview) -> None:
        """Fill a view with zeros."""
        step = 1 << 20
        zeros = bytes(step)
        for at in range(0, len(view), step):
            view[at : at + step] = zeros[: len(view) - at]

    def bytes_of_pages(pages: Any) -> int:
        """Return the bytes of the pages, as many as when they were allocated."""
        return len(pages)
