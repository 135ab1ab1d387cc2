"""The options of an arena that concern its memory: `reserve`, `populate`, `huge` and `mode`."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from pagebuddy.arguments import whole
from pagebuddy.memory.huge import Huge

DEFAULT_MODE = 0o600
_ALLOWED = 0o664


class Options(NamedTuple):
    """How a medium provides its memory. A medium refuses options that it does not support.

    Attributes
    ----------
    reserve : bool
        Allocate memory or disk blocks for all pages before another process can see the medium.
    populate : bool
        Allocate and map all pages now, so that the first access to each is fast.
    huge : str, int or None
        Large pages: "transparent", or a size that the machine supports, such as "2 MiB".
    mode : int or None
        Permissions of the file. None means 0600.
    """

    reserve: bool = False
    populate: bool = False
    huge: str | int | None = None
    mode: int | None = None

    def check(self, medium: str, supported: Collection[str]) -> Huge:
        """Check the options, and return those about large pages.

        Parameters
        ----------
        medium : str
            Name of the medium, for messages.
        supported : collection of str
            Names of the options that it supports. "transparent" and "sizes" are the two values of
            `huge`.

        Raises
        ------
        TypeError
            If an option has a wrong type.
        ValueError
            If the medium or the machine does not support an option, or a value is wrong.
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
                    f"{medium} does not support {self._spelt(name)}; "
                    f"it supports {_listed(supported)}"
                )
        if self.mode is not None:
            _check_mode(self.mode)
        huge.check_machine()
        return huge

    def _spelt(self, name: str) -> str:
        """An option as the caller wrote it."""
        if name == "mode" and isinstance(self.mode, int):
            return f"mode={self.mode:#o}"
        option = "huge" if name in ("transparent", "sizes") else name
        return f"{option}={getattr(self, option)!r}"

    @property
    def permissions(self) -> int:
        """The mode of the file, in which None is replaced by the default."""
        return DEFAULT_MODE if self.mode is None else self.mode


PLAIN = Options()
"""All options at their defaults."""


def _check_mode(mode: object) -> None:
    bits = whole(mode, "mode")
    if bits & ~_ALLOWED or bits & DEFAULT_MODE != DEFAULT_MODE:
        raise ValueError(
            f"mode is {bits:#o}; the owner must be able to read and write, other users must not be able "
            f"to write, and nobody to execute: use {DEFAULT_MODE:#o}, 0o640, 0o660 or {_ALLOWED:#o}"
        )


def _listed(supported: Collection[str]) -> str:
    values = {"transparent": "huge='transparent'", "sizes": "sizes such as huge='2 MiB'"}
    return ", ".join(values.get(name, name) for name in sorted(supported)) or "no options"
