"""A block that must be refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Refusal:
    """The block raises one of these errors, of which `check` holds.

    Not made of a generator: from Python 3.13 on what a generator swallows stays in a cycle with the
    frame that threw it in, and so does what the block had, until the garbage is collected.
    """

    def __init__(
        self, *errors: type[Exception], check: Callable[[Any], object] | None = None
    ) -> None:
        self.errors = errors
        self.check = check

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: Any, traceback: object) -> bool:
        if kind is None:
            raise AssertionError(f"none of {self.errors} was raised")
        if not issubclass(kind, self.errors):
            return False
        if self.check is not None:
            self.check(error)
        return True
