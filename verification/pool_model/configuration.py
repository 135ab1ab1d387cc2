"""The bounds of a search and the rule that is broken. Made by the tests and the command line."""

from __future__ import annotations

from dataclasses import dataclass

from verification.pool_model.flaws import Flaw


@dataclass(frozen=True)
class Configuration:
    """The bounds of a search.

    Raises ValueError if a bound is too small.

    >>> Configuration(calls=4).workers
    2
    """

    workers: int = 2
    calls: int = 3
    batch: int = 2
    """How many calls are sent as one message, if so many wait."""
    deaths: int = 1
    """Maximum number of workers that are killed. Each is replaced."""
    takes: int = 1
    """How often calls are taken back at most. A look in vain counts too."""
    retries: int = 0
    """How often a call is sent again whose worker died."""
    late: bool = False
    """Whether a worker may finish a message after it has started calls of it, as it does if the arena's
    lock is not available for long."""
    flaw: Flaw | None = None
    """The rule that is broken, or None."""

    def __post_init__(self) -> None:
        for name, least in {
            "workers": 1,
            "calls": 1,
            "batch": 1,
            "deaths": 0,
            "takes": 0,
            "retries": 0,
        }.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least {least}")
