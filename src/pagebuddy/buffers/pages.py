"""BufferHold: keeps a buffer's memory alive, and ends this process's hold when it dies.

Every view of a buffer keeps its BufferHold alive, by an export or a reference. So the pages are freed
when this object dies, and no exports need to be counted.
"""

from typing import Any

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    import weakref

    from pagebuddy.core.words import N_HEADS, u64
    from pagebuddy.memory.untracked import untracked
    from pagebuddy.sharing.holding.magazine import load
    from pagebuddy.sharing.operations.dispatch import drop_pages
    from pagebuddy.sharing.state import ArenaState
    from pagebuddy.sharing.system.deferred import defer
    from pagebuddy.sharing.words import LOCK_PATIENCE_MS, LOCKED, OWN_LOCK, UNLOCKABLE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def address_of_node(a: ArenaState, node: u64) -> u64:
    """Return the address of a buffer's first byte in this process."""
    return a.data_address + ((node - N_HEADS) << a.page_bits)


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
                view, self, address_of_node(self.attachment, self.node), self.n_bytes, flags
            )

else:

    def pages_over(a: ArenaState, node: int, n_bytes: int, asked: int) -> Any:
        """Return a ctypes array over a buffer's bytes, which every view of it keeps alive.

        Nothing is done at exit: the end of the lease ends all holds.
        """
        array = untracked(address_of_node(a, node), n_bytes)
        array.attachment, array.node, array.asked = a, node, asked
        array.end = weakref.finalize(array, drop, a, node)
        array.end.atexit = False
        return array

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
        alive = pages.end.peek()
        return pages.node if alive is not None and alive[0] is pages else 0

    def zero_out(view: memoryview) -> None:
        """Fill a view with zeros."""
        step = 1 << 20
        zeros = bytes(step)
        for at in range(0, len(view), step):
            view[at : at + step] = zeros[: len(view) - at]

    def bytes_of_pages(pages: Any) -> int:
        """Return the bytes of the pages, as many as when they were allocated."""
        return len(pages)
