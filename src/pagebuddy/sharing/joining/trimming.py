"""Returning the memory of free pages to the system."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pagebuddy.sharing.attached import Attached

# How many bytes are out of use at a time, while they are given back.
_PIECE_BYTES = 1 << 20


def trim(a: Attached) -> int:
    """Return the memory of free pages that were used before to the system, piece by piece.

    Returns how many bytes this freed.
    """
    # Only whole pages of the system can be returned, and a piece may start anywhere in a large one.
    n_bytes = max(_PIECE_BYTES, 8 * getattr(a.medium, "grain", 1))
    n_pages = max(n_bytes // a.layout.page_size, 1)
    me = threading.get_ident()
    is_outer = me not in a.trimmers
    a.trimmers.add(me)
    at = freed = 0
    try:
        while at < a.layout.data_bytes and (piece := a.trim_piece(at, n_pages)) is not None:
            n_bytes, at = piece
            freed += n_bytes
    finally:
        if is_outer:
            a.trimmers.discard(me)
    return freed
