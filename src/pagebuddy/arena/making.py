"""Making and opening arenas: from the arguments of `Arena`'s constructors to an attachment.

Each function returns the engine's `Attachment`. `Arena` calls them.
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from operator import index
from typing import TYPE_CHECKING, Any, SupportsIndex

from pagebuddy.errors import ArenaExists, ArenaNotFound
from pagebuddy.memory.sizes import bytes_of
from pagebuddy.sharing.joining import attaching
from pagebuddy.sharing.joining.sending import life_of
from pagebuddy.sharing.layout import Layout

if TYPE_CHECKING:
    from pagebuddy.memory.options import Options
    from pagebuddy.sharing.attached import Engine


def layout_of(
    engine: Engine,
    size: object,
    page_size: object,
    max_order: object,
    slots: object,
    keys: object,
    lock: object,
    expires: object,
) -> Layout:
    """Return the layout of a new shared arena. Raises TypeError and ValueError."""
    return Layout.of(
        bytes_of(size),
        page_size=page_size,
        max_order=max_order,
        slots=slots,
        keys=keys,
        lock=attaching.lock_word(engine, lock),
        life_ms=0 if expires is None else life_of(expires),
    )


def make_anonymous(engine: Engine, layout: Layout, options: Options) -> Any:
    """Make an arena without a name."""
    if sys.platform != "linux":
        return _make_private(engine, layout, options)
    from pagebuddy.memory.anonymous import Anonymous

    try:
        return attaching.make(engine, layout, Anonymous.make(layout.n_bytes, options))
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        warnings.warn(
            f"this arena is for this process only: {error.strerror}", RuntimeWarning, stacklevel=3
        )
    return _make_private(engine, layout, options)


def _make_private(engine: Engine, layout: Layout, options: Options) -> Any:
    """Make an arena of one process, where memory cannot be passed on by descriptor."""
    from mmap import mmap

    from pagebuddy.memory.given import Given

    own = Layout.of(
        layout.n_pages * layout.page_size,
        page_size=layout.page_size,
        max_order=layout.max_order,
        keys=layout.n_entries,
        life_ms=layout.life_ms,
    )
    return attaching.make(engine, own, Given(mmap(-1, own.n_bytes), options))


def make_named(engine: Engine, name: str, layout: Layout, options: Options) -> Any:
    """Make an arena in `/dev/shm`. Raises `ArenaExists`."""
    from pagebuddy.memory.named import Named

    return attaching.make(engine, layout, Named.make(name, layout.n_bytes, options))


def attach_to(engine: Engine, arena: str | SupportsIndex, readonly: object) -> Any:
    """Attach to the arena with a name, or behind a descriptor. Raises `ArenaNotFound`."""
    if isinstance(arena, str):
        from pagebuddy.memory.named import Named

        try:
            medium = Named.open(arena)
        except PermissionError as error:
            if not readonly:
                raise
            raise PermissionError(
                error.errno,
                "this process may not write to the arena's file; it needs that also with "
                "readonly=True, because each process stores in the arena's tables what it holds",
                error.filename,
            ) from error
        return attaching.attach(engine, medium, bool(readonly))
    from pagebuddy.memory.anonymous import Anonymous

    if not hasattr(arena, "__index__"):
        raise TypeError(f"arena is {arena!r}; it must be a name or an open descriptor")
    return attaching.attach(engine, Anonymous.attach(index(arena)), bool(readonly))


def open_file(
    engine: Engine, path: str | os.PathLike[str], layout: Layout | None, options: Options
) -> Any:
    """Attach to the arena in a file, or make it there if a layout is given.

    Raises `ArenaNotFound` if the file does not exist and no layout is given.
    """
    from pagebuddy.memory.file import File

    while True:
        try:
            return attaching.attach(engine, File.open(path), False)
        except ArenaNotFound:
            if layout is None:
                raise
        try:
            return attaching.make(engine, layout, File.make(path, layout.n_bytes, options))
        except ArenaExists:
            # Another process was quicker.
            continue
