"""The permanent module of all functions that pickles of this package call.

A pickle names a function by its module. The functions that pickles call are marked `permanent`: they
belong to this module by name, so that moving a file never breaks a stored handle.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])

# Where each permanent function, and each class that earlier pickles name, is defined today.
_HOMES = {
    "attached": "pagebuddy.engine",
    "claim": "pagebuddy.sharing.joining.sending",
    "arena_found": "pagebuddy.sharing.joining.passing",
    "as_it_is": "pagebuddy.exchange.remaking",
    "remade_view": "pagebuddy.exchange.remaking",
    "remade_array": "pagebuddy.exchange.remaking",
    "array_of_handle": "pagebuddy.buffers.forking_pickler",
    "queue_named": "pagebuddy.messages.queue",
    "queue_of_ticket": "pagebuddy.messages.queue",
    "topic_named": "pagebuddy.messages.topic",
    "beginning_of": "pagebuddy.pool.worker",
    "remade_failure": "pagebuddy.pool.worker",
    "remade_table": "pagebuddy.adapters.arrow",
    "remade_frame": "pagebuddy.adapters.polars",
    "collate_in_worker": "pagebuddy.adapters.torch",
    "batch_of_message": "pagebuddy.adapters.torch",
    "fallback_counted": "pagebuddy.adapters.torch",
    "tensor_of_handle": "pagebuddy.adapters.torch",
    "PageRanges": "pagebuddy.allocator.ranges",
    "Stats": "pagebuddy.allocator.stats",
    "ArenaStats": "pagebuddy.arena.stats",
    "BufferRow": "pagebuddy.sharing.joining.listing",
    "ProcessRow": "pagebuddy.sharing.joining.listing",
}

# Modules that pickles of earlier versions name, and that no longer exist.
_FORMER = (
    "pagebuddy.sharing.passing",
    "pagebuddy.sharing.sending",
    "pagebuddy.sharing.listing",
    "pagebuddy.ranges",
    "pagebuddy.stats",
    "pagebuddy.arena_stats",
    "pagebuddy.chosen",
)


def permanent(function: _F) -> _F:
    """Make pickles name this module as the module of a function, which must be listed in `_HOMES`.

    The function is stored here too, so that looking it up runs no Python code: `pickle` would report a
    KeyboardInterrupt in such code as a PicklingError.
    """
    function.__module__ = __name__
    globals()[function.__name__] = function
    return function


def name_of(kind: type) -> str | type:
    """Return the public name of a class of this package, or the class itself if it has none."""
    return kind.__name__ if public(kind.__name__) is kind else kind


def public(kind: str | type) -> Any:
    """Return the class for a result of `name_of`; None for a name that is not public."""
    return getattr(sys.modules["pagebuddy"], kind, None) if isinstance(kind, str) else kind


def __getattr__(name: str) -> Any:
    """Return what a pickle names, imported on first use: few programs need all of it."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


for _module in _FORMER:
    sys.modules[_module] = sys.modules[__name__]
