"""The engine without its checks, if it was built; see `_unchecked.pyx`. Used by `__main__`."""

from __future__ import annotations

from importlib import import_module

from pagebuddy.tools.bench.subject import Subject, compiled_subject


def without_checks() -> Subject | None:
    """The compiled engine without checks; None if PAGEBUDDY_UNCHECKED=1 did not build it."""
    try:
        module = import_module("pagebuddy._unchecked")
    except ImportError:
        return None
    return compiled_subject("unchecked", module)
