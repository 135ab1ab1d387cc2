"""Attachment: an arena as this process uses it.

`Arena` is the public class; this one is on the path of every allocation, and is compiled.
"""

import os
import sys
import time
from typing import TYPE_CHECKING, Any

from pagebuddy.core import stand_in as cython
from pagebuddy.memory import sizes
from pagebuddy.sharing.joining import backing, failures

if not cython.compiled:
    from collections import deque

    from pagebuddy.allocator.buddy import small
    from pagebuddy.buffers.access import TRIM_PAUSE_S, ArenaAccess
    from pagebuddy.buffers.arrays import array_of, checked_dtype, own_bytes, sides_and_bytes
    from pagebuddy.buffers.buffer import Buffer, made_buffer
    from pagebuddy.buffers.pages import (
        asked_of,
        bytes_of_pages,
        filled,
        new_pages,
        node_of_pages,
        zero_out,
    )
    from pagebuddy.core.rebuild import rebuild
    from pagebuddy.core.state import use
    from pagebuddy.core.words import FIRST_NODE, i64, u64, words_of
    from pagebuddy.sharing.forking.hooks import mind_forks
    from pagebuddy.sharing.operations.dispatch import alloc_pages, run_operation
    from pagebuddy.sharing.request import Request
    from pagebuddy.sharing.state import own_magazine
    from pagebuddy.sharing.system.alive import locks_the_arena
    from pagebuddy.sharing.system.child import drop_own_lease, take_own_lease
    from pagebuddy.sharing.system.gate import Gate
    from pagebuddy.sharing.system.sharers import end_tally
    from pagebuddy.sharing.words import (
        DONE,
        LOCK_MUTEX,
        LOCK_PATIENCE_MS,
        LOCKED,
        NO_PAGES,
        OP_ALLOC,
        OP_CLAIM,
        OP_DETACH,
        OP_FIND,
        OP_JOIN,
        OP_LOOK_UP,
        OP_REAP,
        OP_TAKE_FREE,
        TIED,
        hold_bit,
        hold_word,
    )

if TYPE_CHECKING:
    from pagebuddy.sharing.attached import Figures


# The garbage collector would clear the owners of the memory first, but detaching stores to that memory.
# Untracked, this object ends with its last reference, and then they end.
@cython.no_gc
@cython.cclass
class Attachment(ArenaAccess):
    """This process's attachment to an arena; all its `Arena` objects for this arena share it."""

    __weakref__: object

    # Index and serial of tickets that are to be withdrawn, when the lock is available, and whether only
    # one claim of each is given up.
    late_tickets: list[Any]

    # The halves of the arena's id, and the life of its tickets if their sender names none.
    id_low: u64
    id_high: u64
    default_life: u64

    if cython.compiled:

        def __cinit__(self) -> None:
            self.fd = self.lock_fd = -1

    def __init__(self, layout: Any, medium: Any, local_memory: Any) -> None:
        """Use a medium that has this layout. `local_memory` has its `n_local_words`, all zero."""
        memory = medium.memory
        words = memory[: layout.data_at].cast("Q")
        geometry = layout.geometry
        metadata = words[layout.metadata_at : layout.holds_at]
        table = memoryview(geometry.table())
        self.late_tickets = []
        self.id_low = layout.arena_id & 0xFFFF_FFFF_FFFF_FFFF
        self.id_high = layout.arena_id >> 64
        self.default_life = layout.life_ms
        self._trimmers = set()
        self.owners = (memory.obj, table.obj, local_memory.obj)
        self._layout = layout
        self._medium = medium
        self._memory = words
        self.local_memory = local_memory
        self.words_owner = metadata
        self.table_owner = table
        self.base = words_of(words)
        self.slots = words_of(words[layout.slots_at :])
        self.words = words_of(metadata)
        self.groups = words_of(metadata[geometry.groups_at :])
        self.records = words_of(metadata[geometry.records_at :])
        self.table = words_of(table)
        self.holds = words_of(words[layout.holds_at :])
        self.entries = words_of(words[layout.entries_at :])
        self.tickets = words_of(words[layout.tickets_at :])
        self.local = words_of(local_memory)
        self.notes = words_of(local_memory[layout.n_pages :])
        self.n_sections = 1
        self.total = layout.n_pages
        self.n_nodes = FIRST_NODE + self.total
        self.n_groups = geometry.n_groups
        self.top = layout.max_order
        self.n_slots = layout.n_slots
        self.n_places = layout.n_places
        self.n_tickets = layout.n_tickets
        self.words_of_holds = layout.words_of_holds
        self.data_address = medium.address + layout.data_at
        self.page_bits = layout.page_size.bit_length() - 1
        self.lock_kind = layout.lock & 0xFFFF_FFFF
        self.fd = self.lock_fd = -1
        self.device = self.inode = 0
        self.seen_by_children = not medium.shared and medium.seen_by_children
        if medium.shared:
            self.fd = medium.fileno()
            self.device, self.inode = medium.identity
        if cython.compiled:
            self.gate = new_gate()  # type: ignore[name-defined]  # noqa: F821
        else:
            self.gate = Gate()
            self.deferred = deque()
            self.sparse = self.holes = self.readonly = False
            self.known_groups = self.known_tickets = self.known_entries = 0
            self.ending = False
            self.next_ticket = self.fork_slot = self.recorded = 0
            self.top_round = self.most_rounds = self.away = self.fallbacks = 0
            self.fork_locked = self.sticky = self.unsettled = self.is_full = False
            self.n_shares = self.tally = self.tally_address = self.n_noted = self.n_told = 0
            self.freed_buffers = self.freed_pages = 0
            self.lease = None
            self.fault = self.fault_node = self.seen_fault = self.seen_node = 0
        use(self, 0)
        self.be(0)

    def be(self, slot: int) -> None:
        """Use this slot from now on."""
        self.slot = slot
        self.magazine = own_magazine(self, slot)
        self.my_word = hold_word(slot)
        self.my_bit = hold_bit(slot)

    def take_lease(self, slot: int) -> bool:
        """Take the lease of a slot; return False if a process has it. Raises OSError."""
        return bool(take_own_lease(self, slot))

    def drop_lease(self) -> None:
        """End the lease."""
        drop_own_lease(self)

    def mind_forks(self) -> None:
        """Prepare for forks of this process from now on."""
        arena_id = self.layout.arena_id
        if not mind_forks(self, arena_id >> 64, arena_id & (1 << 64) - 1):
            raise MemoryError

    def lay_out(self) -> None:
        """Make all pages free, in an arena that no other process can see yet."""
        rebuild(self, FIRST_NODE, False)

    def refusal(self, n_pages: int) -> Exception:
        """Return the error for an allocation by a process that only reads."""
        return self._no_pages(Request(n_pages=n_pages), failures.READ_ONLY)

    if cython.compiled:

        def __dealloc__(self) -> None:
            detach(self)

    def __reduce__(self) -> Any:
        raise TypeError("an attachment cannot be copied or pickled; pickle its Arena")

    # -- operations ------------------------------------------------------------------------------

    def alloc(
        self,
        nbytes: Any,
        *,
        align: Any = None,
        zero: bool = False,
        keep: Any = None,
        timeout: Any = None,
    ) -> Buffer:
        """Return a new `Buffer`; see `Arena.alloc`."""
        return self._allocated(nbytes, align, zero, keep, timeout)

    @cython.cfunc
    def _allocated(self, nbytes: Any, align: Any, zero: Any, keep: Any, timeout: Any) -> Buffer:
        """`alloc`, called from C."""
        # C numbers: otherwise each arithmetic step makes an object.
        n_bytes: i64 = small(nbytes)
        limit: i64 = self.total << self.page_bits
        plain = align is None and not zero and keep is None and timeout is None
        if plain and 0 < n_bytes <= limit:
            n: u64 = self._n_pages(n_bytes)
            pages = self._pages_at_once(n, n_bytes)
            if pages is not None:
                return made_buffer(self, pages, node_of_pages(self, pages), n, n_bytes)
        return self._alloc_slowly(nbytes, align, zero, keep, timeout)

    def array(self, shape: Any, dtype: Any, order: Any, zero: bool, stored: bool = False) -> Any:
        """Return a numpy array over new pages, without a `Buffer`; see `Arena.empty`.

        `stored` means that the caller will store to all items.
        """
        if cython.compiled and not self.readonly:
            made = quick_array(self, shape, dtype, order, zero, stored)  # type: ignore  # noqa: F821
            if made is not None:
                return made
        kind = checked_dtype(dtype)
        sides, nbytes = sides_and_bytes(shape, kind)
        # An array without items has a page too, so that it belongs to the arena.
        n_bytes: i64 = small(nbytes or 1)
        limit: i64 = self.total << self.page_bits
        pages = None
        if not zero and 0 < n_bytes <= limit:
            pages = self._pages_at_once(self._n_pages(n_bytes), n_bytes)
        if pages is None:
            buffer: Buffer = self._alloc_slowly(nbytes or 1, None, zero, None, None)
            pages = buffer.pages
            del buffer
        if stored and self.sparse:
            node: u64 = node_of_pages(self, pages)
            try:
                backing.back_bytes(self, (node - FIRST_NODE) << self.page_bits, nbytes)
            except BaseException:
                # A traceback would keep it.
                pages = None
                raise
        return array_of(pages, sides, kind, order)

    @cython.inline
    @cython.cfunc
    def _n_pages(self, n_bytes: u64) -> u64:
        """Return how many pages this many bytes need, at least one."""
        return ((n_bytes - 1) >> self.page_bits) + 1

    @cython.inline
    @cython.cfunc
    def _pages_at_once(self, n: u64, n_bytes: u64) -> Any:
        """Return an exporter of n new pages; None if this would need waiting or reaping."""
        pages = new_pages(self, n)
        node: u64 = alloc_pages(self, n, n_bytes)
        return filled(self, pages, node, n, n_bytes) if node >= FIRST_NODE else None

    @cython.cfunc
    def _alloc_slowly(self, nbytes: Any, align: Any, zero: Any, keep: Any, timeout: Any) -> Buffer:
        """`alloc` with options, or if it must wait or reap."""
        n_bytes = sizes.bytes_of(nbytes, "nbytes")
        request: Request = self._request(n_bytes, align)
        key = None if keep is None or keep is False else failures.key_to_keep(keep)
        wait = failures.seconds(timeout)
        if self.readonly:
            raise self.refusal(request.n_pages)
        if request.n_pages > self.total:
            raise self._no_pages(request)
        pages = new_pages(self, request.n_pages)
        n = request.n_pages
        answer = self.perform(request, OP_ALLOC, wait)
        if answer == NO_PAGES:
            self.perform(Request(), OP_REAP, wait)
            answer = self.perform(request, OP_ALLOC, wait)
        if answer == NO_PAGES and request.n_pieces:
            answer = self.perform_beside_trims(request, OP_ALLOC, wait)
        if answer == NO_PAGES:
            raise self._no_pages(request)
        pages = filled(self, pages, request.node, n, n_bytes)
        buffer = made_buffer(self, pages, request.node, n, n_bytes)
        del pages
        try:
            if zero:
                # The caller will store to all: a full file system is an error here, not a SIGBUS.
                backing.back_bytes(self, buffer.offset, n_bytes)
                # Pages that were never used are zero already, and stay untouched.
                used = min(n_bytes, (n - request.n_untouched) << self.page_bits)
                zero_out(buffer.view[:used])
            if key is not None:
                buffer.keep(keep)
        except BaseException:
            # A traceback would keep it.
            buffer.release()
            raise
        return buffer

    def _request(self, n_bytes: int, align: Any) -> Request:
        """Return the request for an allocation."""
        n = -(-n_bytes // self.layout.page_size)
        unit = 1 if align is None else max(failures.alignment(align) >> self.page_bits, 1)
        return Request(n_pages=n, n_bytes=n_bytes, align=unit)

    def joined(self, offset: int) -> Buffer:
        """Return a new object for the live buffer at an offset."""
        return self._joined_at(offset, 0)

    def found(self, key: str, namespace: int = 0) -> Buffer:
        """Return a new object for the buffer that is kept under a key. Raises KeyError."""
        request: Request = Request(key=key, namespace=namespace)
        self.perform(request, OP_FIND)
        return self.made(request, request.n_bytes)

    def has_key(self, key: str, namespace: int = 0) -> bool:
        """Whether a buffer is kept under a key. Holds nothing."""
        return self.perform(Request(key=key, namespace=namespace), OP_LOOK_UP) == DONE

    def claimed(self, index: int, serial: int) -> Buffer:
        """Return a new object for the buffer that a ticket names. The last claim ends the ticket."""
        request: Request = Request(ticket_index=index, serial=serial)
        self.perform(request, OP_CLAIM)
        return self.made(request, request.n_bytes)

    def channel(self, buffer: Buffer, words: memoryview, node: int) -> Any:
        """Return a `Channel`, for the ring in a buffer."""
        if not cython.compiled:
            from pagebuddy.messages.channel import Channel
        return Channel(self, buffer, words, node)

    def progress(self, words: memoryview, row: int) -> Any:
        """Return a `Progress`, a row of these words."""
        if not cython.compiled:
            from pagebuddy.messages.progress import Progress
        return Progress(words, row)

    def unclaimed(self, group: int = 0, n_claims: int = 1, life_ms: int = 0) -> Any:
        """Return an `Unclaimed`, for tickets of one message; they will be in a group, unless it is 0.

        `n_claims` and `life_ms` are as in a `Request`.
        """
        if not cython.compiled:
            from pagebuddy.buffers.unclaimed import new_unclaimed
        return new_unclaimed(self, group, n_claims, life_ms)

    def dumped(
        self,
        arena: Any,
        thing: Any,
        pickled: Any,
        most: Any = None,
        n_claims: int = 1,
        life_ms: int = 0,
        readonly: bool = False,
    ) -> Any:
        """Return an object as a message: see `pack_message`. Its tickets are the caller's.

        If `life_ms` is 0, they live as long as the arena was made for.
        """
        if not cython.compiled:
            from pagebuddy.buffers.unclaimed import Unclaimed, new_unclaimed, pack_message
        unclaimed: Unclaimed = new_unclaimed(self, 0, n_claims, life_ms)
        pack_message(unclaimed, arena, thing, pickled, most, readonly)
        return unclaimed.handed()

    def loaded(self, data: Any) -> Any:
        """Return the object of a message: see `open_message`. Raises what unpickling raises as well."""
        if not cython.compiled:
            from pagebuddy.buffers.unclaimed import (
                Unclaimed,
                new_unclaimed,
                object_in,
                open_message,
            )
        unclaimed: Unclaimed = new_unclaimed(self, 0, 1, 0)
        unclaimed.take(data)
        open_message(unclaimed, True)
        try:
            return object_in(unclaimed)
        finally:
            # An exception refers to it.
            unclaimed.close()

    # -- bodies, of senders that need no tickets

    def packed(self, arena: Any, thing: Any, pickled: Any, readonly: bool = False) -> Any:
        """Return the `Body` of an object; `pickled` is as for `pack_message`.

        Tickets of buffers in other arenas end a minute after this process, unless they are claimed.
        """
        if not cython.compiled:
            from pagebuddy.buffers.bodies.packing import packed_items
            from pagebuddy.buffers.unclaimed import new_unclaimed
        body = packed_items(self, thing, readonly)
        if body is None:
            body = pickled(arena, thing, new_unclaimed(self, 0, 1, TIED), readonly)
        return body

    def unpacked(self, data: Any, pages: Any, readonly: bool = False) -> Any:
        """Return the object of a body, given the list of what holds its pages, which is empty then.

        Unpickling runs code that the bytes name. Raises what this code raises, ValueError for bytes that
        are not a body, and `StaleHandle` for a buffer of another arena that was claimed before.
        """
        if not cython.compiled:
            from pagebuddy.buffers.bodies.reading import Reader
            from pagebuddy.buffers.bodies.unpacking import add_handles, unpacked_body
            from pagebuddy.buffers.unclaimed import Unclaimed, claim_rows, new_unclaimed
        handles: list[Any] = []
        others: Unclaimed = None  # type: ignore[assignment]
        try:
            r: Reader = Reader(data)
            add_handles(handles, r)
            if not handles:
                return unpacked_body(self, r, pages, None, readonly)
            # Those that are not claimed end with this.
            others = new_unclaimed(self, 0, 1, 0)
            claim_rows(others, handles)
            return unpacked_body(self, r, pages, others._others, readonly)
        finally:
            # An exception refers to them.
            pages.clear()
            if others is not None:
                others.close()
                others.end()

    def new_body(self) -> Any:
        """Return a `Body` of this arena, without bytes."""
        if not cython.compiled:
            from pagebuddy.buffers.bodies.body import Body
        return Body(self)

    def address_of(self, view: memoryview) -> int:
        """Return the address of the first byte of a view of contiguous bytes."""
        if not cython.compiled:
            from pagebuddy.buffers.bodies.forms import address_of_view
        return address_of_view(view)

    def trim_piece(self, offset: int, n_pages: int) -> Any:
        """Return the first free pages from an offset on that were used before to the system.

        Returns how many bytes this freed and where these pages end; None if there are no such pages.
        """
        request: Request = Request(FIRST_NODE + (offset >> self.page_bits), n_pages)
        if self.perform(request, OP_TAKE_FREE) == NO_PAGES:
            return None
        try:
            taken: Buffer = self.made(request, request.n_pages << self.page_bits)
            try:
                end = taken.offset + taken.capacity
                freed = self.medium.trim(self.layout.data_at + taken.offset, taken.capacity)
            finally:
                taken.release()
        finally:
            if self.perform(Request(), OP_TAKE_FREE) == NO_PAGES:
                # Another process tries again: let it find all pages free.
                time.sleep(TRIM_PAUSE_S)
        return freed, end

    def made(self, request: Request, n_bytes: u64) -> Buffer:
        """Return a buffer object for the pages of a request, which this process now holds."""
        pages = new_pages(self, request.n_pages)
        pages = filled(self, pages, request.node, request.n_pages, n_bytes)
        return made_buffer(self, pages, request.node, request.n_pages, n_bytes)

    def buffer_over(self, pages: Any) -> Any:
        """Return a new object for the owner of an array, from `pages_of`; None if not in this arena."""
        if isinstance(pages, Buffer):
            # A consumer of the buffer protocol kept only the Buffer object.
            buffer: Buffer = pages
            pages, _ = buffer._taken_if_any()
        node: u64 = node_of_pages(self, pages)
        if node == 0:
            return self._joined_under(pages)
        n: u64 = bytes_of_pages(pages) >> self.page_bits
        return made_buffer(self, pages, node, n, asked_of(pages))

    @cython.cfunc
    def _joined_under(self, owner: Any) -> Any:
        """Return a new object for the raw buffer of an array of numpy; None if it is elsewhere."""
        found = own_bytes(owner)
        if found is None:
            return None
        address, n_bytes = found
        start, limit = self.extent
        if not start <= address < start + limit:
            return None
        # The array keeps its buffer meanwhile.
        return self._joined_at(address - start, n_bytes or 1)

    @cython.cfunc
    def _joined_at(self, offset: u64, n_bytes: u64) -> Buffer:
        """Return a new object of that size for the live buffer at an offset."""
        request: Request = Request(FIRST_NODE + (offset >> self.page_bits), n_bytes=n_bytes)
        self.perform(request, OP_JOIN)
        return self.made(request, request.n_bytes)

    def request(self, **asked: Any) -> Request:
        """Return a `Request` of this engine."""
        return Request(**asked)

    # -- looking ---------------------------------------------------------------------------------

    def is_ending(self) -> bool:
        """Whether this attachment is ending, and must not be found any more."""
        return not cython.compiled and self.ending

    @property
    def figures(self) -> "Figures":
        """The slot, and the fault that an operation found."""
        return {"slot": self.slot, "seen_fault": self.seen_fault, "seen_node": self.seen_node}


if not cython.compiled:

    def detach(a: Any, finalizing: Any = sys.is_finalizing) -> None:
        """Free the slot, and end the lease and the lock. At exit the lease ends by itself."""
        a.ending = True  # weak references still work at this point
        if finalizing() or a.fd < 0:
            return
        if a.slot and not a.medium.is_cut():
            answer = run_operation(a, Request(), OP_DETACH, 0)
            if answer == LOCKED and not a.deferred:
                run_operation(a, Request(), OP_DETACH, LOCK_PATIENCE_MS)
        end_tally(a)
        if a.lease is not None:
            a.lease.release()
        # Its number may refer to another file of the program's.
        if locks_the_arena(a):
            os.close(a.lock_fd)
        # A finalizer may still call this object, when the number of its descriptor means another file.
        a.lock_kind = LOCK_MUTEX

    Attachment.__del__ = detach  # type: ignore[attr-defined]
