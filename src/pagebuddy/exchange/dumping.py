"""Turning an object into bytes whose buffers stay in the arena."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from pagebuddy.exchange.cargo import Cargo
from pagebuddy.exchange.delivery import handles_of
from pagebuddy.exchange.pickler import ArenaPickler
from pagebuddy.sharing.sending import withdraw


def dump(arena: Any, thing: Any, most: int | None = None) -> bytes:
    """Return the bytes that `load` takes; of more than `most` the bulk lies in the arena too.

    Raises what pickling raises, `OutOfPages` and `OutOfTickets`; then nothing that was minted stays.
    """
    cargo = Cargo(arena._open)
    file = BytesIO()
    ArenaPickler(arena, cargo, file).dump(thing)
    return cargo.sent(file.getbuffer(), most)


def call_back(a: Any, data: bytes) -> None:
    """End the handles in bytes that were not delivered after all."""
    for handle in handles_of(a, data):
        withdraw(handle, a)
