"""Opening a ring: found by its name, or made; and the handle by which an anonymous one travels."""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from pagebuddy.core.words import FIRST_NODE
from pagebuddy.errors import CorruptMetadata
from pagebuddy.memory.sizes import rounded_up
from pagebuddy.messages.layout import RingLayout
from pagebuddy.sharing.joining.keeping import forget, keep_under
from pagebuddy.sharing.joining.listing import keys_of
from pagebuddy.sharing.words import FOR_QUEUES, FOR_TOPICS, OP_OPEN_RING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.buffers.buffer import Buffer
    from pagebuddy.memory.mapped import Mapped
    from pagebuddy.messages.channel import Channel

# In the beginning a waiter looks for a message for so long before it sleeps.
_SPIN_NS = 20_000 if len(os.sched_getaffinity(0)) > 1 else 0


def open_named(
    a: Attachment,
    name: str,
    namespace: int,
    make: Callable[[], RingLayout],
    check: Callable[[RingLayout], None],
) -> tuple[Channel, RingLayout]:
    """Return the ring of this name; make it if there is none. `check` raises for a wrong one."""
    while True:
        try:
            buffer = a.found(name, namespace)
        except KeyError:
            buffer = _new(a, make())
            if not keep_under(a, name, namespace, buffer, False):
                # Another process was faster.
                buffer.release()
                continue
        channel, layout = channel_over(a, buffer)
        if channel.is_ended():
            # The process that unlinked it died before it removed the name.
            forget(a, name, namespace, buffer)
            continue
        check(layout)
        return channel, layout


def open_anonymous(a: Attachment, layout: RingLayout) -> Channel:
    """Return a new ring without a name."""
    return channel_over(a, _new(a, layout))[0]


def channel_over(a: Attachment, buffer: Buffer) -> tuple[Channel, RingLayout]:
    """Return the ring in a buffer, and its layout. Raises `CorruptMetadata` if it is none."""
    start = a.layout.data_at + buffer.offset
    # The buffer's own view is read-only in a process that only reads the pages.
    words = a.medium.memory[start : start + (buffer.nbytes & ~7)].cast("Q")
    layout = RingLayout.read(words)
    if layout is None:
        raise CorruptMetadata(
            "the buffer of a queue or topic has a sound header",
            f"that at offset {buffer.offset} has not",
            None,
            "remove it with `arena.forget`, and make it anew",
        )
    if a.is_readonly:
        # Only mapped files are attached like this.
        cast("Mapped", a.medium).unprotect(start, buffer.capacity)
    node = FIRST_NODE + buffer.offset // a.layout.page_size
    a.perform(a.request(node=node, ring=words), OP_OPEN_RING)
    channel = a.channel(buffer, words, node)
    channel.shape(
        layout.kind, layout.limit, layout.n_rows, layout.n_cells, layout.n_bytes, _SPIN_NS
    )
    return channel, layout


def end_what_the_dead_own(a: Attachment) -> None:
    """End messages in queues and topics with a name that dead processes wrote, or had in hand."""
    for namespace in (FOR_QUEUES, FOR_TOPICS):
        for name in keys_of(a, namespace):
            # It may be removed at any time.
            with suppress(KeyError, CorruptMetadata):
                channel_over(a, a.found(name, namespace))[0].end_what_the_dead_own()


def _new(a: Attachment, layout: RingLayout) -> Buffer:
    """Return a buffer with an empty ring."""
    # A process that only reads the pages makes those of the ring writable, in units of the system.
    n_bytes = rounded_up(layout.size, max(mmap.PAGESIZE, a.layout.page_size))
    buffer = a.alloc(n_bytes, align=mmap.PAGESIZE, zero=True)
    layout.write(buffer.view.cast("Q"))
    return buffer
