"""Keeping a buffer under a key of a namespace, and forgetting it by the key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagebuddy.core.words import FIRST_NODE
from pagebuddy.errors import ArenaClosed
from pagebuddy.sharing.system.process import wall_clock
from pagebuddy.sharing.words import DONE, OP_FORGET, OP_KEEP

if TYPE_CHECKING:
    from pagebuddy.sharing.attached import Attached, Held


def keep_under(
    a: Attached,
    key: str,
    namespace: int,
    buffer: Held,
    replace: bool,
    n_bytes: int | None = None,
) -> bool:
    """Keep a buffer under a key, in the place of what was kept there if `replace`.

    It is found with `n_bytes`, by default those of the buffer object. Returns False if the key is taken.
    If the arena is in a file, flushes it before and after.
    """
    a.medium.flush()
    request = a.request(
        node=_node_of(a, buffer),
        n_bytes=buffer.nbytes if n_bytes is None else n_bytes,
        key=key,
        namespace=namespace,
        replace=replace,
        now_ms=wall_clock(),
    )
    try:
        a.perform(request, OP_KEEP)
    except ArenaClosed:
        raise
    except ValueError:
        # An answer, not an error.
        return False
    a.medium.flush()
    return True


def forget(a: Attached, key: str, namespace: int, buffer: Held | None = None) -> bool:
    """Stop keeping what is kept under a key, or only this buffer; return whether that was so."""
    node = 0 if buffer is None else _node_of(a, buffer)
    return a.perform(a.request(node=node, key=key, namespace=namespace), OP_FORGET) == DONE


def _node_of(a: Attached, buffer: Held) -> int:
    """The node of a buffer that this process holds."""
    return FIRST_NODE + buffer.offset // a.layout.page_size
