"""A pickler that sends functions and classes which the receiver cannot import, by cloudpickle."""

from __future__ import annotations

from functools import lru_cache
from pickle import Pickler
from typing import TYPE_CHECKING, Any

from pagebuddy.exchange.pickler import ArenaPickler

if TYPE_CHECKING:
    from pagebuddy.exchange.cargo import Cargo


@lru_cache(maxsize=1)
def by_value_pickler() -> type[ArenaPickler]:
    """Return a class of picklers. Raises ImportError if cloudpickle is not installed."""
    from cloudpickle import CloudPickler

    class ByValuePickler(ArenaPickler, CloudPickler):  # type: ignore[misc,unused-ignore]
        """Buffers that a function refers to are taken out, as those of any object."""

        def __init__(self, arena: Any, cargo: Cargo, file: Any) -> None:
            super().__init__(arena, cargo, file)
            # cloudpickle's class hides the descriptor, by which this takes effect.
            table = {**CloudPickler.dispatch_table, **self.dispatch_table}
            Pickler.dispatch_table.__set__(self, table)  # type: ignore[attr-defined]

        def reducer_override(self, thing: Any) -> Any:
            reduced = ArenaPickler.reducer_override(self, thing)
            if reduced is NotImplemented:
                reduced = CloudPickler.reducer_override(self, thing)
            return reduced

    return ByValuePickler
