"""Describes objects that were received: arrays and buffers by their shape. Used by `tail`."""

from __future__ import annotations

import math
from typing import Any

# Of a container, so many items are described.
_ITEMS = 20
_DEPTH = 4
_LETTERS = 2000


def as_text(thing: Any, depth: int = 0) -> str:
    """Describe an object in a line, as Python prints it, but arrays and bytes by their sizes.

    >>> as_text({"frame": 7, "data": bytes(100), "more": [1, (2,)]})
    "{'frame': 7, 'data': <100 bytes>, 'more': [1, (2,)]}"
    """
    kind = type(thing)
    if (shape := _shape_of(thing)) is not None:
        return f"<{shape}>"
    if depth < _DEPTH and kind in (list, tuple, set, dict):
        items = list(thing.items() if kind is dict else thing)
        told = [
            f"{as_text(item[0], depth + 1)}: {as_text(item[1], depth + 1)}"
            if kind is dict
            else as_text(item, depth + 1)
            for item in items[:_ITEMS]
        ]
        if len(items) > _ITEMS:
            told.append(f"... {len(items) - _ITEMS} more")
        if kind is tuple:
            return f"({', '.join(told)}{',' * (len(items) == 1)})"
        if kind is list:
            return f"[{', '.join(told)}]"
        return f"{{{', '.join(told)}}}" if items or kind is dict else "set()"
    return _repr(thing)


def as_value(thing: Any, depth: int = 0) -> Any:
    """Describe an object by values that JSON has.

    >>> as_value({"frame": 7, "data": bytes(100), "more": (1, 2.5, None)})
    {'frame': 7, 'data': {'bytes': 100}, 'more': [1, 2.5, None]}
    """
    kind = type(thing)
    if thing is None or kind in (bool, int, str) or (kind is float and math.isfinite(thing)):
        return thing
    if depth < _DEPTH and kind in (list, tuple):
        return [as_value(item, depth + 1) for item in thing]
    if depth < _DEPTH and kind is dict:
        return {
            key if type(key) is str else as_text(key): as_value(item, depth + 1)
            for key, item in thing.items()
        }
    if hasattr(thing, "dtype") and hasattr(thing, "shape"):
        if thing.shape == () and hasattr(thing, "item"):
            return _repr(thing) if depth >= _DEPTH else as_value(thing.item(), _DEPTH)
        return {"dtype": str(thing.dtype), "shape": [int(n) for n in thing.shape]}
    if kind in (bytes, bytearray, memoryview) or _shape_of(thing) is not None:
        return {"bytes": thing.nbytes if hasattr(thing, "nbytes") else len(thing)}
    return _repr(thing)


def _shape_of(thing: Any) -> str | None:
    """The shape of an array, the size of bytes and buffers; None for others."""
    from pagebuddy import Buffer

    if hasattr(thing, "dtype") and hasattr(thing, "shape") and thing.shape != ():
        return f"{thing.dtype} {' x '.join(str(n) for n in thing.shape)}"
    if isinstance(thing, (memoryview, Buffer)):
        return f"{thing.nbytes} bytes"
    if isinstance(thing, (bytes, bytearray)) and len(thing) > 32:
        return f"{len(thing)} bytes"
    return None


def _repr(thing: Any) -> str:
    try:
        text = repr(thing)
    except Exception as error:
        text = f"<{type(thing).__name__}: repr raises {type(error).__name__}>"
    return text if len(text) <= _LETTERS else f"{text[:_LETTERS]}..."
