"""A drop-in for `multiprocessing.shared_memory`: its segments, in one arena for each user.

    from pagebuddy import shared_memory         # instead of: from multiprocessing import shared_memory

A segment is a buffer that is kept in the user's arena under a key made of the segment's name. A large
segment has an arena of its own, and so has one that does not fit: then what is kept under the key is a
record, which names that arena. The names of all segments are keys of the one arena, so creating,
attaching and unlinking are atomic.
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from contextlib import contextmanager, suppress
from multiprocessing import shared_memory as _original
from operator import index
from random import Random
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from pagebuddy.arena.arena import Arena
from pagebuddy.arena.fallbacks import Fallbacks
from pagebuddy.errors import (
    ArenaClosed,
    ArenaExists,
    ArenaNotFound,
    ArenaSizeWarning,
    CorruptMetadata,
    OutOfKeys,
    OutOfPages,
    OutOfSlots,
)
from pagebuddy.memory.named import FOLDER, Named
from pagebuddy.sharing.joining.backing import back_bytes
from pagebuddy.sharing.joining.keeping import forget, keep_under
from pagebuddy.sharing.system.process import pid_namespace
from pagebuddy.sharing.words import ARENA_VERSION, FOR_BUFFERS, KEY_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.buffers.buffer import Buffer

__all__ = ["SharedMemory", "ShareableList"]

# Programs that look at these find them here too.
_USE_POSIX = _original._USE_POSIX  # type: ignore[attr-defined]
_SHM_NAME_PREFIX = _original._SHM_NAME_PREFIX  # type: ignore[attr-defined]

PREFIX = "pagebuddy-shm"
"""How the names of all these arenas begin."""

SLOTS = 1008
"""One more than how many processes can use an arena at the same time."""

MOST_BYTES = 1 << 30
"""The size of a user's arena, if the file system is large enough."""

PARTS = 16
"""A segment that is larger than this part of the user's arena gets an arena of its own."""

SPARES = 64
"""How many records a full arena has room for."""

_PAGE = 4096
# A record takes one page more than its bytes need, and so differs from any segment.
_RECORD_PAGES = 2
_MOST_NAME_BYTES = 255
# Names of up to this many ASCII characters are keys as they are.
_MOST_PLAIN = 46
_LENGTH_BYTES = 2

# By user: a process may become another user.
_attached: dict[int, Attachment] = {}

# Where a segment in a user's arena is and the words of its key, so that it is unlinked without a search.
_Place: TypeAlias = "tuple[Attachment, memoryview, int] | None"

fallbacks = Fallbacks("pagebuddy.shared_memory")
"""How often segments could not be in the user's arena."""

_SPARE_KEYS = [f"!{i}" for i in range(SPARES)]

# The others are ENOMEM.
_CODES = {OutOfPages: errno.ENOSPC, OutOfKeys: errno.ENOSPC, OutOfSlots: errno.ENFILE}

# The errors that the original never raises. Others are an `OSError` too.
_ARENA_ERRORS = (OutOfPages, OutOfSlots, ArenaClosed, CorruptMetadata)

# Of its own, so that the program's random numbers stay as they are.
_random = Random()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)


class SharedMemory(_original.SharedMemory):
    """A segment of shared memory with a name; as `multiprocessing.shared_memory.SharedMemory`.

    Parameters
    ----------
    name : str, optional
        Up to 255 bytes in UTF-8, without ``/`` after the first character. By default a new segment gets
        a name that is free.
    create : bool, optional
        True to create a segment, False to attach to one that exists. Default: False.
    size : int, optional
        Size of a new segment in bytes; not used for one that exists.
    track : bool, optional
        Accepted, and without effect: there is no resource tracker. Default: True.

    Attributes
    ----------
    buf : memoryview or None
        The bytes; None after `close`. Views and arrays made from it stay valid after `close` and
        `unlink`.
    name : str
        The name.
    size : int
        Size in bytes.

    Raises
    ------
    FileExistsError
        If a segment is to be created whose name is taken.
    FileNotFoundError
        If there is no segment of this name.
    ValueError
        If a new segment has no size, or one that exists no name, or the size is negative.
    OSError
        If the name is not valid, or there is no memory for the segment.

    Notes
    -----
    A segment exists until `unlink` is called, whatever happens to its processes: nothing removes it
    earlier, and nothing warns at exit. Other users have other segments. Creating, closing and unlinking
    64 KiB takes about 7 µs, and 10 µs with writing it. A segment of up to a sixteenth of the user's
    arena is filled with zeros when it is created. The first segment in a process takes another 3 ms.

    Examples
    --------
    >>> from pagebuddy import shared_memory
    >>> segment = shared_memory.SharedMemory(create=True, size=100)
    >>> segment.buf[:5] = b"hello"
    >>> same = shared_memory.SharedMemory(segment.name)      # in any process of this user
    >>> bytes(same.buf[:5]), same.size
    (b'hello', 100)
    >>> same.close(); segment.close(); segment.unlink()
    """

    _name: str | None
    _buf: memoryview | None
    _place: _Place = None
    _name_of_place: str | None = None
    _size: int
    _flags: int
    _prepend_leading_slash: bool

    def __init__(
        self, name: str | None = None, create: bool = False, size: int = 0, *, track: bool = True
    ) -> None:
        if not size >= 0:
            raise ValueError("'size' must be a positive integer")
        if create:
            self._flags = os.O_CREAT | os.O_EXCL | os.O_RDWR
            if size == 0:
                raise ValueError("'size' must be a positive number different from zero")
        is_new = self._flags & os.O_EXCL
        if name is None and not is_new:
            raise ValueError("'name' can only be None if create=True")
        self._track = track
        if name is not None:
            name = "/" + name if self._prepend_leading_slash else name
            self._buf, self._place = _created(name, size) if is_new else self._found(name)
        else:
            while True:
                name = _make_filename()
                try:
                    self._buf, self._place = _created(name, size)
                    break
                except FileExistsError:
                    continue
        self._name = self._name_of_place = name
        self._size = len(self._buf)

    def _found(self, name: str) -> tuple[memoryview, _Place]:
        """`_found`, or the error for a subclass whose `_flags` would create the segment."""
        try:
            return _found(name)
        except FileNotFoundError:
            if self._flags & os.O_CREAT:
                # What the original says, which has created one then.
                raise ValueError("cannot mmap an empty file") from None
            raise

    def close(self) -> None:
        """Release the bytes in this object; the segment continues to exist.

        Views and arrays made from `buf` stay valid. A second call does nothing.

        Examples
        --------
        >>> from pagebuddy import shared_memory
        >>> segment = shared_memory.SharedMemory(create=True, size=100)
        >>> view = segment.buf[:5]
        >>> segment.close(); segment.unlink()
        >>> bytes(view)
        b'\\x00\\x00\\x00\\x00\\x00'
        """
        self._buf = None

    def unlink(self) -> None:
        """Remove the segment of this name. Its memory is freed when no process uses it any more.

        Raises
        ------
        FileNotFoundError
            If there is no segment of this name any more.

        Examples
        --------
        >>> from pagebuddy import shared_memory
        >>> segment = shared_memory.SharedMemory(create=True, size=100)
        >>> segment.close(); segment.unlink()
        >>> segment.unlink()
        Traceback (most recent call last):
            ...
        FileNotFoundError: [Errno 2] No such file or directory: '/psm_...'
        """
        if self._name:
            # Programs may change the name; then the place is another's.
            is_same = self._name == self._name_of_place
            _unlink(self._name, self._place if is_same else None)


class ShareableList(_original.ShareableList[Any]):
    """A list of fixed length in a segment; as `multiprocessing.shared_memory.ShareableList`.

    Parameters
    ----------
    sequence : iterable, optional
        Items of a new list: int, float, bool, str, bytes and None. Without a sequence and with a name,
        the list of this name.
    name : str, optional
        Name of the segment, as for `SharedMemory`.

    Attributes
    ----------
    shm : SharedMemory
        The segment, which has `close` and `unlink`.

    Raises
    ------
    Exception
        What `SharedMemory` raises, and the original for items that it does not take.

    Examples
    --------
    >>> from pagebuddy import shared_memory
    >>> numbers = shared_memory.ShareableList(["a", 2, None])
    >>> numbers[1] += 1
    >>> list(shared_memory.ShareableList(name=numbers.shm.name))     # in any process
    ['a', 3, None]
    >>> numbers.shm.close(); numbers.shm.unlink()
    """

    def __init__(self, sequence: Iterable[Any] | None = None, *, name: str | None = None) -> None:
        _begin_list(self, sequence, name=name)


# The original's own code, which makes a segment of this module's class.
_begin_list = FunctionType(
    _original.ShareableList.__init__.__code__, vars(_original) | {"SharedMemory": SharedMemory}
)
_begin_list.__kwdefaults__ = _original.ShareableList.__init__.__kwdefaults__


def _make_filename() -> str:
    """Return a name that is probably free."""
    return f"{_SHM_NAME_PREFIX}{_random.getrandbits(32):08x}"


# -- names and the user's arena ------------------------------------------------------------------


def _key_of(name: str) -> tuple[str, bytes]:
    """Return the key of a segment, and what is stored behind its bytes: its name, if the key is a hash.

    Raises what the system raises for such a name.
    """
    text = name.lstrip("/")
    if "/" in text or text in ("", ".", ".."):
        raise _error(errno.EINVAL, name)
    if "\0" in text:
        raise ValueError("embedded null character")
    if len(text) <= _MOST_PLAIN and text.isascii():
        return "=" + text, b""
    encoded = name.encode().lstrip(b"/")
    if len(encoded) > _MOST_NAME_BYTES:
        raise _error(errno.ENAMETOOLONG, name)
    from hashlib import blake2b

    digest = blake2b(encoded, digest_size=_MOST_PLAIN // 2).hexdigest()
    return "#" + digest, encoded + len(encoded).to_bytes(_LENGTH_BYTES, "little")


def _words_of(key: str) -> memoryview:
    """Return a key of a buffer as its words: padded with zeros, of which the last is the namespace."""
    return memoryview(key.encode().ljust(KEY_WORDS * 8, b"\0")).cast("Q")


def _error(code: int, name: str) -> OSError:
    """The error that the system has for a segment."""
    return OSError(code, os.strerror(code), name)


def _users_arena() -> Attachment:
    """Return this process's attachment to the arena of its user, which is created if there is none."""
    user = os.geteuid()
    found = _attached.get(user)
    if found is None:
        found = _attached[user] = _opened(_name_for(user))
    return found


def _name_for(user: int) -> str:
    """Return the name of a user's arena. That of the uncompiled engine has another lock."""
    kind = "" if Arena._engine.mutex_of_this_build() else "-file"
    return f"{PREFIX}-{user}-v{ARENA_VERSION}{kind}"


def _opened(name: str) -> Attachment:
    """Attach to the user's arena, or to another one if that cannot be used."""
    try:
        return _opened_as(name)
    except (ValueError, PermissionError, CorruptMetadata) as error:
        # It is another user's, or damaged, or its lock works only in another container.
        instead = f"{name}-{pid_namespace()[1]}"
        fallbacks.count(
            "another arena", f"{name} cannot be used, so segments are in {instead}: {error}"
        )
    try:
        return _opened_as(instead)
    except (ValueError, CorruptMetadata) as error:
        message = f"neither {name} nor {instead} can be used: {error}"
        raise PermissionError(errno.EACCES, message, instead) from error


def _opened_as(name: str) -> Attachment:
    while True:
        try:
            return Arena.attach(name)._open
        except ArenaNotFound:
            pass
        figures = os.statvfs(FOLDER)
        size = figures.f_blocks * figures.f_frsize // 2 // _PAGE * _PAGE or MOST_BYTES
        size = min(size, MOST_BYTES)
        keys = min(size // _PAGE, 1 << 20)
        try:
            arena = Arena.create(name, size, page_size=_PAGE, slots=SLOTS, keys=keys)
        except ArenaExists:
            # Another process was quicker.
            continue
        a = arena._open
        _add_spares(a)
        return a


def _as_the_system_says(error: Exception) -> OSError:
    """Return the error that the system has for a segment in place of an arena's."""
    code = _CODES.get(type(error), errno.ENOMEM)
    return OSError(code, f"{os.strerror(code)}: {error}")


# -- segments ------------------------------------------------------------------------------------


def _created(name: str, size: int) -> tuple[memoryview, _Place]:
    """Create a segment; return its bytes, and where it is."""
    key, behind = _key_of(name)
    size = int(index(size))
    if size > sys.maxsize:
        raise OverflowError("Python int too large to convert to C long")
    try:
        a = _users_arena()
        if size <= a.layout.data_bytes // PARTS:
            try:
                return _created_inside(a, key, behind, size, name)
            except OutOfPages as error:
                if error.__cause__ is not None:
                    # The file system is full, and another arena would be in the same one.
                    raise
                fallbacks.count("full", f"new segments get arenas of their own: {error}")
        return _created_apart(a, key, behind, size, name), None
    except _ARENA_ERRORS as error:
        raise _as_the_system_says(error) from error


def _created_inside(
    a: Attachment, key: str, behind: bytes, size: int, name: str
) -> tuple[memoryview, _Place]:
    """Create a segment in the user's arena. Raises `OutOfPages`."""
    words = _words_of(key)
    while True:
        try:
            if behind:
                buffer = a.alloc(size + len(behind), zero=True)
                buffer.view[size:] = behind
                buffer.keep(key)
                return buffer.view[:size], (a, words, buffer.offset)
            buffer = Arena._engine.kept_zeros(a, size, words)
            return buffer.view, (a, words, buffer.offset)
        except ArenaClosed:
            raise
        except ValueError:
            # The key is taken.
            if not _forget_if_stale(a, key):
                raise _error(errno.EEXIST, name) from None


def _found(name: str) -> tuple[memoryview, _Place]:
    """Return the bytes of a segment that exists, and where it is."""
    key, behind = _key_of(name)
    try:
        a = _users_arena()
        buffer = a.found(key)
        if not _is_of(buffer, behind):
            raise _error(errno.ENOENT, name)
        if _is_record(buffer):
            return _bytes_apart(_arena_named_by(buffer)), None
    except (KeyError, ArenaNotFound):
        if not cast(Named, a.medium).leads_here() and _attached.pop(os.geteuid(), None) is a:
            # Somebody removed the arena: look in the one that other processes use by now.
            return _found(name)
        raise _error(errno.ENOENT, name) from None
    except _ARENA_ERRORS as error:
        raise _as_the_system_says(error) from error
    view = buffer.view
    return view[: -len(behind)] if behind else view, (a, _words_of(key), buffer.offset)


def _unlink(name: str, place: _Place) -> None:
    """Remove the name of a segment, which is probably at that place."""
    try:
        if place is None or not Arena._engine.forgotten(*place):
            # It has an arena of its own, or the name is another segment's by now.
            _unlink_by_name(_users_arena(), name)
    except _ARENA_ERRORS as error:
        raise _as_the_system_says(error) from error


def _unlink_by_name(a: Attachment, name: str) -> None:
    key, behind = _key_of(name)
    while True:
        try:
            buffer = a.found(key)
        except KeyError:
            raise _error(errno.ENOENT, name) from None
        if not _is_of(buffer, behind):
            raise _error(errno.ENOENT, name)
        if not _is_record(buffer):
            if forget(a, key, FOR_BUFFERS, buffer):
                return
        else:
            with _only_one(a):
                if _removed_apart(a, key):
                    return


# -- segments in arenas of their own -------------------------------------------------------------


def _is_record(buffer: Buffer) -> bool:
    return buffer.capacity - buffer.nbytes >= _PAGE


def _is_of(buffer: Buffer, behind: bytes) -> bool:
    """Whether a segment or a record is of this name, and not of another one with the same hash."""
    return not behind or buffer.view[-len(behind) :] == behind


def _arena_named_by(record: Buffer) -> str:
    return bytes(record.view).partition(b"\0")[0].decode("ascii")


def _bytes_apart(arena_name: str) -> memoryview:
    """Return the bytes of the segment in an arena of its own. Raises `ArenaNotFound` or KeyError."""
    arena = Arena.attach(arena_name)
    view = arena["segment"].view
    arena.close()
    return view


def _created_apart(a: Attachment, key: str, behind: bytes, size: int, name: str) -> memoryview:
    """Create a segment in an arena of its own.

    The record is kept first: if this process is killed, others see that the record is stale.
    """
    arena_name = f"{a.medium.place}.{_random.getrandbits(64):016x}"
    text = arena_name.encode("ascii") + b"\0" + behind
    with _only_one(a):
        record = _spare_record(a)
        # Its page may never have been used, and the file system may be full.
        back_bytes(a, record.offset, len(text))
        record.view[: len(text)] = text
        while not keep_under(a, key, FOR_BUFFERS, record, False, len(text)):
            if not _forgotten_if_stale(a, key):
                raise _error(errno.EEXIST, name)
        try:
            return _made_apart(arena_name, size)
        except BaseException:
            _removed_apart(a, key)
            raise


def _made_apart(arena_name: str, size: int) -> memoryview:
    try:
        with warnings.catch_warnings():
            # As the original, it may be larger than the file system if it stays sparse.
            warnings.simplefilter("ignore", ArenaSizeWarning)
            arena = Arena.create(arena_name, size, page_size=_PAGE, slots=SLOTS, keys=1)
    except (ValueError, OverflowError) as error:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) from error
    view = arena.alloc(size, keep="segment").view
    arena.close()
    return view


def _removed_apart(a: Attachment, key: str) -> bool:
    """Remove the arena of a segment, and then the record; False if there is no record any more.

    Under `_only_one`.
    """
    try:
        record = a.found(key)
    except KeyError:
        return False
    if not _is_record(record):
        return False
    with suppress(FileNotFoundError):
        os.unlink(f"{FOLDER}/{_arena_named_by(record)}")
    # A record stays one, so that its pages are never those of a segment.
    if not any(
        keep_under(a, spare, FOR_BUFFERS, record, False, _RECORD_PAGES * _PAGE)
        for spare in _SPARE_KEYS
    ):
        forget(a, key, FOR_BUFFERS, record)
    return True


def _forget_if_stale(a: Attachment, key: str) -> bool:
    """Whether the key is free now, because what was kept there is a record without a segment."""
    try:
        if not _is_record(a.found(key)):
            return False
    except KeyError:
        return True
    with _only_one(a):
        return _forgotten_if_stale(a, key)


def _forgotten_if_stale(a: Attachment, key: str) -> bool:
    """`_forget_if_stale`, under `_only_one`: no other process is creating or removing the segment."""
    try:
        record = a.found(key)
        if not _is_record(record):
            return False
        _bytes_apart(_arena_named_by(record))
    except (ArenaNotFound, KeyError):
        # Nothing is kept, or no segment is there.
        _removed_apart(a, key)
        return True
    return False


@contextmanager
def _only_one(a: Attachment) -> Iterator[None]:
    """Let no other process or thread create or remove a segment with an arena of its own."""
    import fcntl

    fd = os.open(f"/proc/self/fd/{a.medium.fileno()}", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        # Not only closed: a child that was forked meanwhile has it open too.
        fcntl.flock(fd, fcntl.LOCK_UN)
        os.close(fd)


def _spare_record(a: Attachment) -> Buffer:
    """Return a buffer for a record, which is kept already if it is a spare one. Under `_only_one`."""
    for key in _SPARE_KEYS:
        with suppress(KeyError):
            return a.found(key)
    return a.alloc(_RECORD_PAGES * _PAGE)


def _add_spares(a: Attachment) -> None:
    """Keep room for records, so that a full arena has some."""
    for key in _SPARE_KEYS:
        with suppress(OutOfPages, OutOfKeys, ValueError):
            a.alloc(_RECORD_PAGES * _PAGE, keep=key)


if sys.platform != "linux":
    # There processes cannot share arenas.
    SharedMemory = _original.SharedMemory
    ShareableList = _original.ShareableList
