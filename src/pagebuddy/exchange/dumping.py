"""Serializing an object while its buffers stay in the arena.

An object that needs no pickler is packed by `buffers/bodies`; all others are pickled here.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pagebuddy.buffers.bodies.body import Body
    from pagebuddy.buffers.unclaimed import Unclaimed


def dump(
    arena: Any,
    thing: Any,
    most: int | None = None,
    *,
    n_claims: int = 1,
    life_ms: int = 0,
    readonly: bool = False,
) -> bytes:
    """Return the bytes that `load` takes; its handles have these terms, as in a `Request`.

    If it has more than `most` bytes, they lie in the arena as well. Raises what pickling raises,
    `OutOfPages` and `OutOfTickets`; then no handle stays.
    """
    return arena._open.dumped(arena, thing, pickled, most, n_claims, life_ms, readonly)  # type: ignore[no-any-return]


def pack(arena: Any, thing: Any, *, readonly: bool = False) -> Body:
    """Return the bytes of an object without tickets, and what holds the pages that they refer to.

    The sender sees to it that the pages stay allocated until the receiver holds them. Only buffers in
    other arenas have tickets: they end with the body, unless it is `handed`. Raises what pickling
    raises, and `OutOfPages`.
    """
    return arena._open.packed(arena, thing, pickled, readonly)  # type: ignore[no-any-return]


def pickled(arena: Any, thing: Any, unclaimed: Unclaimed, readonly: bool) -> Body:
    """Return the body of an object that needs a pickler; tickets of other arenas are `unclaimed`'s."""
    # Programs that send arrays alone need no pickler.
    from pagebuddy.exchange.pickler import body_of

    return body_of(arena, thing, unclaimed, readonly)


def pack_by_value(arena: Any, thing: Any) -> Body:
    """The same as `pack`, with functions and classes by value that the receiver cannot import."""
    return arena._open.packed(arena, thing, _pickled_by_value, False)  # type: ignore[no-any-return]


def _pickled_by_value(arena: Any, thing: Any, unclaimed: Unclaimed, readonly: bool) -> Body:
    from pagebuddy.exchange.by_value import by_value_pickler
    from pagebuddy.exchange.pickler import body_of

    return body_of(arena, thing, unclaimed, readonly, by_value_pickler())


@lru_cache(maxsize=1)
def has_cloudpickle() -> bool:
    """Whether `pack_by_value` is possible. Imports cloudpickle: call it only if it is needed."""
    try:
        import_module("cloudpickle")
    except ImportError:
        return False
    return True


def call_back(a: Any, data: bytes) -> None:
    """End the handles in bytes that were not delivered."""
    unclaimed: Unclaimed = a.unclaimed()
    unclaimed.take(data)
    unclaimed.end()
