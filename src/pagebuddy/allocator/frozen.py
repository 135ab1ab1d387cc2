"""Frozen: objects whose attributes are set once, and which compare equal by value.

They stand in for `dataclasses`, whose import takes as long as that of this whole package.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class Frozen:
    """Values with names, which are set once, and compare equal by value.

    `__match_args__` of a subclass gives the names in order.
    """

    __slots__ = ()
    __match_args__: ClassVar[tuple[str, ...]] = ()

    def as_dict(self) -> dict[str, object]:
        """Return the values by name.

        Returns
        -------
        dict
            Every attribute.
        """
        return dict(zip(self.__match_args__, self.__getstate__(), strict=True))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.__getstate__() == other.__getstate__()

    def __hash__(self) -> int:
        return hash(tuple(self.__getstate__()))

    def __repr__(self) -> str:
        named = zip(self.__match_args__, self.__getstate__(), strict=True)
        return (
            f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in named)})"
        )

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(self, name):
            raise AttributeError(
                f"cannot assign to {name!r}: {type(self).__name__} shows one moment and does not change"
            )
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(
            f"cannot delete {name!r}: {type(self).__name__} shows one moment and does not change"
        )

    # A pickle holds a list of the values. Pickles of version 0.1 do, too.

    def __getstate__(self) -> list[object]:
        return [getattr(self, name) for name in self.__match_args__]

    def __setstate__(self, values: Iterable[object]) -> None:
        for name, value in zip(self.__match_args__, values, strict=True):
            setattr(self, name, value)
