"""A block that must raise an error. Used by the rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Refusal:
    """The block must raise one of these errors; `check` is called with the error.

    This is not a generator-based context manager. From Python 3.13 on, an error swallowed by a generator
    stays in a reference cycle with the frame that raised it; so the frame's buffers would stay alive
    until the next garbage collection.
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
            raise AssertionError(f"expected one of {self.errors}, but no error was raised")
        if not issubclass(kind, self.errors):
            return False
        if self.check is not None:
            self.check(error)
        return True
