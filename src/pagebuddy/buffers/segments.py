"""Segments of `pagebuddy.shared_memory`: a kept buffer of zeros is made, and ended, in one call each."""

from typing import Any

from pagebuddy.core import stand_in as cython
from pagebuddy.sharing.joining import backing

if not cython.compiled:
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.buffers.buffer import Buffer
    from pagebuddy.buffers.pages import node_of_pages, zero_out
    from pagebuddy.core.words import FIRST_NODE, words_of
    from pagebuddy.sharing.request import Request, blank_request
    from pagebuddy.sharing.system.process import wall_clock
    from pagebuddy.sharing.words import DONE, OP_FORGET, OP_KEEP

# A buffer of up to that many bytes is filled with zeros as a whole: asking which of its pages were never
# used takes longer.
_ZEROED_WHOLE = 1 << 18


def kept_zeros(a: Attachment, n_bytes: int, key: memoryview) -> Any:
    """Return a new buffer of zeros that is kept under a key, given as `key_words`.

    Raises ValueError if the key is taken, and what `Arena.alloc` and `Buffer.keep` raise.
    """
    small = n_bytes <= _ZEROED_WHOLE
    buffer: Buffer = a._allocated(n_bytes, None, not small, None, None)
    try:
        if small:
            backing.back_bytes(a, buffer.offset, n_bytes)
            zero_out(buffer.view)
        request: Request = blank_request()
        request.node = node_of_pages(a, buffer.pages)
        request.n_bytes = n_bytes
        request.key_owner = key
        request.key = words_of(request.key_owner)
        request.now_ms = wall_clock()
        a.perform(request, OP_KEEP)
    except BaseException:
        # A traceback would keep it.
        buffer.release()
        raise
    return buffer


def forgotten(a: Attachment, key: memoryview, offset: int) -> bool:
    """Stop keeping the buffer at an offset; return whether it was kept under this key's words."""
    request: Request = blank_request()
    request.node = FIRST_NODE + (offset >> a.page_bits)
    request.key_owner = key
    request.key = words_of(request.key_owner)
    return bool(a.perform(request, OP_FORGET) == DONE)
