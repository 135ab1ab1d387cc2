"""Replaces Cython when the engine's files run uncompiled: decorators and types that do nothing.

When these files are compiled, Cython gives the name `cython` its own meaning.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

_T = TypeVar("_T")

compiled = False
p_ulonglong = memoryview
p_uchar = memoryview
p_void: TypeAlias = Any
void: TypeAlias = None
bint = bool


def cfunc(thing: _T) -> _T:
    """Return the function or class unchanged."""
    return thing


cclass = final = inline = nogil = no_gc = cfunc


def freelist(n: int) -> Callable[[_T], _T]:
    """Return a decorator that does nothing."""
    return cfunc


def cast(kind: object, value: Any) -> Any:
    """Return the value unchanged."""
    return value


def cdivision(wanted: bool) -> Callable[[_T], _T]:
    """Return a decorator that does nothing."""
    return cfunc


def exceptval(value: object = None, *, check: bool = True) -> Callable[[_T], _T]:
    """Return a decorator that does nothing."""
    return cfunc
