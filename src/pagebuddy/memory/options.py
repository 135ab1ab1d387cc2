"""What a caller may ask of a medium besides its size."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pagebuddy.arguments import whole
from pagebuddy.memory.huge import Huge

DEFAULT_MODE = 0o600
_ALLOWED = 0o664


@dataclass(frozen=True)
class Options:
    """How memory is to be had. What a medium does not support is refused, never ignored.

    `reserve`: every page is backed before anybody can see the memory. `populate`: every page is mapped
    before use. `huge`: None, "transparent", or the size of the machine's large pages, "2 MiB" for
    example. `mode`: the permissions of a file; None means 0600.
    """

    reserve: bool = False
    populate: bool = False
    huge: str | int | None = None
    mode: int | None = None

    def check(self, medium: str, supported: Collection[str]) -> Huge:
        """Refuse what `medium` does not support; return what is asked about large pages.

        `supported` names options; "transparent" and "sizes" are the two ways to ask for large pages.
        Raises ValueError naming the medium and what it supports, TypeError for a wrong type.
        """
        for name in ("reserve", "populate"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} is {getattr(self, name)!r}; it must be True or False")
        huge = Huge.asked(self.huge)
        asked = {
            "reserve": self.reserve,
            "populate": self.populate,
            "mode": self.mode is not None,
            "transparent": huge.transparent,
            "sizes": huge.n_bytes is not None,
        }
        for name, wanted in asked.items():
            if wanted and name not in supported:
                raise ValueError(
                    f"{self._spelt(name)} is not for {medium}, which supports {_listed(supported)}"
                )
        if self.mode is not None:
            _check_mode(self.mode)
        huge.check_machine()
        return huge

    def _spelt(self, name: str) -> str:
        """An option as the caller gave it."""
        if name == "mode" and isinstance(self.mode, int):
            return f"mode={self.mode:#o}"
        option = "huge" if name in ("transparent", "sizes") else name
        return f"{option}={getattr(self, option)!r}"

    @property
    def permissions(self) -> int:
        """The mode that a file shall have."""
        return DEFAULT_MODE if self.mode is None else self.mode


PLAIN = Options()
"""Nothing special."""


def _check_mode(mode: object) -> None:
    bits = whole(mode, "mode")
    if bits & ~_ALLOWED or bits & DEFAULT_MODE != DEFAULT_MODE:
        raise ValueError(
            f"mode is {bits:#o}; the owner must read and write, others must not write, and nobody "
            f"executes an arena: {DEFAULT_MODE:#o} to {_ALLOWED:#o}"
        )


def _listed(supported: Collection[str]) -> str:
    ways = {"transparent": "huge='transparent'", "sizes": "huge='2 MiB' and the like"}
    return ", ".join(ways.get(name, name) for name in sorted(supported)) or "no options"
