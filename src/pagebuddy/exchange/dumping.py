"""Serializing an object while its buffers stay in the arena."""

from __future__ import annotations

import pickle
from io import BytesIO
from typing import TYPE_CHECKING, Any

from pagebuddy.exchange.cargo import Cargo
from pagebuddy.exchange.frame import alone
from pagebuddy.exchange.pickler import ArenaPickler

if TYPE_CHECKING:
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.buffers.unclaimed import Unclaimed

# A pickler never asks how to reduce these, so `pickle.dumps` does, and is faster.
_PLAIN = frozenset({type(None), bool, int, float, str, bytes})


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
    return packed(arena, thing, most, 0, n_claims, life_ms, readonly).handed()  # type: ignore[no-any-return]


def packed(
    arena: Any,
    thing: Any,
    most: int | None = None,
    group: int = 0,
    n_claims: int = 1,
    life_ms: int = 0,
    readonly: bool = False,
) -> Unclaimed:
    """Return the message of `dump`. Its handles end with it, unless it is sent or handed over.

    If `group` is not 0, `OP_REAP_TICKETS` with it ends those that a process left behind.
    """
    a = arena._open
    unclaimed: Unclaimed = a.unclaimed(group, n_claims, life_ms or a.layout.life_ms)
    cargo = None
    if type(thing) in _PLAIN:
        pickled = pickle.dumps(thing, 5)
    else:
        cargo = Cargo(a, readonly)
        pickled = _pickled(arena, cargo, thing)
    if cargo is None or cargo.is_empty:
        data = alone(a.layout.arena_id, pickled)
        if most is None or len(data) <= most:
            unclaimed.pack(data)
            return unclaimed
    (cargo or Cargo(a)).pack(pickled, most, unclaimed)
    return unclaimed


def _pickled(arena: Any, cargo: Cargo, thing: Any) -> bytes:
    """Return the pickle of an object, whose buffers the cargo takes."""
    file = BytesIO()
    pickler = ArenaPickler(arena, cargo, file)
    try:
        pickler.dump(thing)
    except BaseException:
        # The exception refers to both.
        pickler.clear_memo()
        cargo.drop()
        raise
    return file.getvalue()


def call_back(a: Attachment, data: bytes) -> None:
    """End the handles in bytes that were not delivered."""
    unclaimed: Unclaimed = a.unclaimed()
    unclaimed.take(data)
    unclaimed.end()
