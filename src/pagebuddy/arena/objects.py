"""ArenaObjects: the objects that an arena keeps under keys, as a mapping."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, MutableMapping, ValuesView
from typing import TYPE_CHECKING, Any, ClassVar, final, overload

from pagebuddy.exchange.packing import Packed, unpacked
from pagebuddy.sharing.joining import failures, listing
from pagebuddy.sharing.joining.backing import room_for
from pagebuddy.sharing.joining.keeping import forget, keep_under
from pagebuddy.sharing.words import FOR_OBJECTS

if TYPE_CHECKING:
    from pagebuddy.arena.arena import Arena

_MISSING = object()
# A default for `pop` that a caller cannot give.
_GONE = object()


@final
class ArenaObjects(MutableMapping[str, Any]):
    """The objects that an arena keeps, by key; see `Arena.objects`.

    Parameters
    ----------
    arena : Arena
        The arena. Get this mapping as ``arena.objects``.

    Notes
    -----
    All methods of a mutable mapping are there. Each call on one key is atomic; those on several keys, as
    `update` and `clear`, are a call for each key. Iterating, and `keys`, `values` and `items`, use the
    keys that exist when it begins, in alphabetical order; `values` and `items` leave out objects that
    are deleted meanwhile. `len` walks through the directory of kept buffers. Comparing with ``==`` reads
    all objects.

    Examples
    --------
    >>> from pagebuddy import Arena
    >>> objects = Arena("1 MiB").objects
    >>> objects["limits"] = {"low": 3, "high": 5}
    >>> objects.update(name="a run", steps=[1, 2])
    >>> sorted(objects.items())
    [('limits', {'low': 3, 'high': 5}), ('name', 'a run'), ('steps', [1, 2])]
    >>> objects.pop("steps"), "steps" in objects, len(objects)
    ([1, 2], False, 2)
    """

    __slots__ = ("_arena",)
    # It is mutable, and compares by value.
    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __init__(self, arena: Arena) -> None:
        self._arena = arena

    def __getitem__(self, key: str) -> Any:
        """Return the object that is kept under a key; its arrays are read-only views of the arena.

        Parameters
        ----------
        key : str
            1 to 47 ASCII characters.

        Returns
        -------
        object
            As `get` returns it.

        Raises
        ------
        KeyError
            If no object is kept under this key.
        Exception
            What `get` raises.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> objects = Arena("1 MiB").objects
        >>> objects["a"] = [1, 2]
        >>> objects["a"]
        [1, 2]
        """
        text = failures.checked_key(key)
        thing = self._read(text, False)
        if thing is _MISSING:
            raise KeyError(text)
        return thing

    @overload
    def get(self, key: str, /) -> Any: ...
    @overload
    def get(self, key: str, /, default: Any, *, writable: bool = ...) -> Any: ...
    @overload
    def get(self, key: str, /, *, writable: bool) -> Any: ...
    def get(self, key: str, /, default: Any = None, *, writable: bool = False) -> Any:
        """Return the object that is kept under a key, or a default.

        Parameters
        ----------
        key : str
            1 to 47 ASCII characters.
        default : object, optional
            What to return if no object is kept under this key. Default: None.
        writable : bool, optional
            Let the arrays and views of the object be writable. All processes see what is written to
            them, also those that read the object before. Default: False.

        Returns
        -------
        object
            The object. Its arrays and memoryviews are views of the arena.

        Raises
        ------
        TypeError, ValueError
            If this cannot be a key, or the kept bytes were overwritten.
        Exception
            What unpickling the object raises. Then nothing is held.

        Notes
        -----
        Bytes, text and numbers are copies, as in any pickle. So are arrays of Python objects.

        Examples
        --------
        >>> import numpy as np
        >>> from pagebuddy import Arena
        >>> objects = Arena("1 MiB").objects
        >>> objects["weights"] = np.zeros(3)
        >>> objects.get("weights", writable=True)[0] = 7
        >>> objects["weights"].tolist()
        [7.0, 0.0, 0.0]
        >>> objects.get("biases", "none yet")
        'none yet'
        """
        thing = self._read(failures.checked_key(key), bool(writable))
        return default if thing is _MISSING else thing

    def __setitem__(self, key: str, thing: Any) -> None:
        """Keep an object under a key, in the place of the one that is kept there, in one step.

        Parameters
        ----------
        key : str
            1 to 47 ASCII characters.
        thing : object
            Any object that can be pickled. It is copied.

        Raises
        ------
        OutOfPages
            If the object does not fit beside the one that it replaces.
        OutOfKeys
            If as much is kept as the arena has keys, and the key is new.
        TypeError, ValueError
            If this cannot be a key, or the object contains a `Buffer`.
        Exception
            What pickling the object raises. After any of these errors nothing has changed.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> objects = Arena("1 MiB").objects
        >>> objects["a"] = {"x": 1}
        >>> objects["a"]
        {'x': 1}
        """
        self._keep(failures.checked_key(key), thing, True)

    def __delitem__(self, key: str) -> None:
        """Stop keeping an object. Its memory is freed when its last reader has dropped it.

        Parameters
        ----------
        key : str
            1 to 47 ASCII characters.

        Raises
        ------
        KeyError
            If no object is kept under this key.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> objects = Arena("1 MiB").objects
        >>> objects["a"] = 1
        >>> del objects["a"]
        >>> "a" in objects
        False
        """
        text = failures.checked_key(key)
        if not forget(self._arena._open, text, FOR_OBJECTS):
            raise KeyError(text)

    def __contains__(self, key: object) -> bool:
        """Return whether an object is kept under a key, without reading it.

        Parameters
        ----------
        key : object
            1 to 47 ASCII characters.

        Returns
        -------
        bool
            True if there is one. False also for what cannot be a key.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> objects = Arena("1 MiB").objects
        >>> objects["a"] = 1
        >>> "a" in objects, 5 in objects
        (True, False)
        """
        a = self._arena._open
        # A subclass of `str` could say something else about itself each time.
        text = str.__str__(key) if isinstance(key, str) else ""
        return failures.is_key(text) and a.has_key(text, FOR_OBJECTS)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys that exist now, in alphabetical order."""
        return iter(listing.keys_of(self._arena._open, FOR_OBJECTS))

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(listing.keys_of(self._arena._open, FOR_OBJECTS))

    def items(self) -> ItemsView[str, Any]:
        """Return a view of the keys and objects; it reads each object when the iteration reaches it.

        Returns
        -------
        ItemsView
            Iterating leaves out objects that are deleted meanwhile.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> objects = Arena("1 MiB").objects
        >>> objects.update(a=1, b=2)
        >>> list(objects.items())
        [('a', 1), ('b', 2)]
        """
        return _Items(self)

    def values(self) -> ValuesView[Any]:
        """Return a view of the objects, which are read as `items` reads them.

        Returns
        -------
        ValuesView
            The objects without their keys.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> objects = Arena("1 MiB").objects
        >>> objects.update(a=1, b=2)
        >>> list(objects.values())
        [1, 2]
        """
        return _Values(self)

    def pop(self, key: str, /, default: Any = _MISSING) -> Any:
        """Return the object that is kept under a key, and stop keeping it.

        Of several processes that do this at once, one gets the object.

        Parameters
        ----------
        key : str
            1 to 47 ASCII characters.
        default : object, optional
            What to return if no object is kept under this key. By default KeyError is raised.

        Returns
        -------
        object
            The object. Its arrays are read-only views of the arena.

        Raises
        ------
        KeyError
            If no object is kept under this key, and there is no default.
        Exception
            What `get` raises. Then the object is still kept.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> objects = Arena("1 MiB").objects
        >>> objects["task"] = 5
        >>> objects.pop("task"), objects.pop("task", None)
        (5, None)
        """
        text = failures.checked_key(key)
        a = self._arena._open
        while (buffer := self._found(text)) is not None:
            try:
                thing = unpacked(buffer)
                if forget(a, text, FOR_OBJECTS, buffer):
                    return thing
                # Another process popped it or replaced it.
                del thing
            finally:
                buffer.release()
        if default is _MISSING:
            raise KeyError(text)
        return default

    def popitem(self) -> tuple[str, Any]:
        """Return a key and its object, and stop keeping the object.

        Returns
        -------
        tuple of str and object
            The first in alphabetical order that no other process pops at the same time.

        Raises
        ------
        KeyError
            If no object is kept.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> objects = Arena("1 MiB").objects
        >>> objects.update(a=1, b=2)
        >>> objects.popitem()
        ('a', 1)
        """
        for key in self:
            thing = self.pop(key, _GONE)
            if thing is not _GONE:
                return key, thing
        raise KeyError("popitem(): the arena keeps no objects")

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return the object that is kept under a key; if there is none, keep the default there.

        Parameters
        ----------
        key : str
            1 to 47 ASCII characters.
        default : object, optional
            The object to keep. Default: None.

        Returns
        -------
        object
            The object that was kept, as `get` returns it; or `default` itself.

        Raises
        ------
        Exception
            What `get` raises, and what keeping an object raises.

        Notes
        -----
        Of several processes that do this at once, one keeps its default, and the others get that.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> objects = Arena("1 MiB").objects
        >>> objects.setdefault("start", 5), objects.setdefault("start", 6)
        (5, 5)
        """
        text = failures.checked_key(key)
        while True:
            thing = self._read(text, False)
            if thing is not _MISSING:
                return thing
            if self._keep(text, default, False):
                return default

    def clear(self) -> None:
        """Stop keeping all objects that are kept when the call begins.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> objects = Arena("1 MiB").objects
        >>> objects["a"] = 1
        >>> objects.clear()
        >>> len(objects)
        0
        """
        for key in self:
            forget(self._arena._open, key, FOR_OBJECTS)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ArenaObjects) and other._arena._open is self._arena._open:
            return True
        return super().__eq__(other)

    def __repr__(self) -> str:
        return f"<objects of {self._arena!r}>"

    def _found(self, key: str) -> Any:
        """Return a buffer object for an object, or None."""
        try:
            return self._arena._open.found(key, FOR_OBJECTS)
        except KeyError:
            return None

    def _read(self, key: str, writable: bool) -> Any:
        """Return an object, or `_MISSING`."""
        if writable and self._arena._open.is_readonly:
            raise ValueError(f"writable=True needs write access: {failures.READ_ONLY}")
        buffer = self._found(key)
        if buffer is None:
            return _MISSING
        try:
            return unpacked(buffer, writable)
        finally:
            # An exception refers to this frame.
            buffer.release()

    def _keep(self, key: str, thing: Any, replace: bool) -> bool:
        """Keep an object; return False, and keep nothing, if the key is taken and not to be replaced."""
        a = self._arena._open
        packed = Packed(self._arena, thing)
        buffer = None
        try:
            buffer = room_for(a, packed.n_bytes)
            packed.write(buffer.view)
            return keep_under(a, key, FOR_OBJECTS, buffer, replace)
        finally:
            # An exception refers to this frame.
            packed.drop()
            if buffer is not None:
                buffer.release()


class _Items(ItemsView[str, Any]):
    """The keys and objects that exist when the iteration reaches them."""

    _mapping: ArenaObjects

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        for key in self._mapping:
            thing = self._mapping.get(key, _MISSING)
            if thing is not _MISSING:
                yield key, thing


class _Values(ValuesView[Any]):
    """The objects that exist when the iteration reaches them."""

    _mapping: ArenaObjects

    def __iter__(self) -> Iterator[Any]:
        for _, thing in self._mapping.items():
            yield thing

    def __contains__(self, value: object) -> bool:
        return any(thing is value or thing == value for thing in self)
