"""What the engine's files need of Cython when they run uncompiled: names that do nothing.

A compiler of these files knows the name `cython` for what it is, whatever is imported under it.
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
    """Return the function or class as it is."""
    return thing


cclass = final = inline = nogil = no_gc = cfunc


def freelist(n: int) -> Callable[[_T], _T]:
    """Return a decorator that does nothing."""
    return cfunc


def cast(kind: object, value: Any) -> Any:
    """Return the value as it is."""
    return value


def cdivision(wanted: bool) -> Callable[[_T], _T]:
    """Return a decorator that does nothing."""
    return cfunc


def exceptval(value: object = None, *, check: bool = True) -> Callable[[_T], _T]:
    """Return a decorator that does nothing."""
    return cfunc
