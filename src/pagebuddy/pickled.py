"""The permanent address of everything that pickles of this package call.

A pickle names a function by its module. Functions that pickles call are marked `permanent` and say that
they belong to this module, so that moving a file never breaks a stored handle.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])

# Where each permanent function, and each class that older pickles name, is defined today.
_HOMES = {
    "attached": "pagebuddy.engine",
    "claim": "pagebuddy.sharing.joining.sending",
    "arena_found": "pagebuddy.sharing.joining.passing",
    "as_it_is": "pagebuddy.exchange.remaking",
    "remade_view": "pagebuddy.exchange.remaking",
    "remade_array": "pagebuddy.exchange.remaking",
    "PageRanges": "pagebuddy.allocator.ranges",
    "Stats": "pagebuddy.allocator.stats",
    "ArenaStats": "pagebuddy.arena.stats",
    "BufferRow": "pagebuddy.sharing.joining.listing",
    "ProcessRow": "pagebuddy.sharing.joining.listing",
}

# Modules that pickles of earlier versions name and that are not there any more.
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
    """Make pickles name this module as the home of a function, which is listed above.

    It is stored here too: `pickle` reports an exception that strikes while Python code looks a name up,
    a KeyboardInterrupt for example, as a PicklingError.
    """
    function.__module__ = __name__
    globals()[function.__name__] = function
    return function


def name_of(kind: type) -> str | type:
    """Return the public name of a class of this package, or the class itself if it has none."""
    return kind.__name__ if public(kind.__name__) is kind else kind


def public(kind: str | type) -> Any:
    """Return the class that `name_of` named; None for a name that is not public."""
    return getattr(sys.modules["pagebuddy"], kind, None) if isinstance(kind, str) else kind


def __getattr__(name: str) -> Any:
    """Find what a pickle names. It is imported only now: few programs need all of it."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


for _module in _FORMER:
    sys.modules[_module] = sys.modules[__name__]
