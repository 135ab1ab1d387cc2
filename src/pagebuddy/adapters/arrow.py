"""Arrow tables in an arena: `import pagebuddy.adapters.arrow`.

Tables and record batches are sent by handles also without this, one for each of their buffers. With
this, one buffer of the arena has all bytes of a table, a slice of a table is sent without the rest of
it, and what does not fit in the arena is sent as bytes.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

try:
    import pyarrow as pa
except ImportError as error:
    raise ImportError(f"{error}; to install it: pip install 'pagebuddy[arrow]'") from error
if int(pa.__version__.split(".")[0]) < 14:
    raise ImportError(
        f"pyarrow {pa.__version__} is installed; pagebuddy.adapters.arrow supports pyarrow 14 and "
        "later: pip install 'pagebuddy[arrow]'"
    )

from pagebuddy.arena.fallbacks import Fallbacks
from pagebuddy.errors import OutOfPages
from pagebuddy.exchange.out_of_band import REDUCERS
from pagebuddy.pickled import permanent

if TYPE_CHECKING:
    from pagebuddy.arena.arena import Arena
    from pagebuddy.buffers.buffer import Buffer
    from pagebuddy.exchange.out_of_band import OutOfBand

__all__ = ["fallbacks", "read_table", "write_table"]

fallbacks = Fallbacks("pagebuddy.adapters.arrow")

# What a table refers to may be this much more than what it shows before it is worth writing anew.
WASTE = 64 << 10


def write_table(arena: Arena, table: Any) -> Buffer:
    """Write a table into a new buffer of an arena, as an Arrow IPC stream.

    Parameters
    ----------
    arena : Arena
        The arena.
    table : pyarrow.Table, or what pyarrow.table takes
        For example a ``pyarrow.RecordBatch``, a pandas or polars frame, or a dict of arrays.

    Returns
    -------
    Buffer
        The stream. Send the buffer, or keep it under a key.

    Raises
    ------
    OutOfPages
        If the arena has no room for the table.

    Notes
    -----
    Copies the bytes once. ``arena.objects[key] = table`` and ``arena.dumps(table)`` need no such call;
    this is for programs that read Arrow IPC themselves, also in other languages.

    Examples
    --------
    >>> import pagebuddy
    >>> from pagebuddy.adapters.arrow import read_table, write_table
    >>> arena = pagebuddy.Arena("1 MiB")
    >>> write_table(arena, {"x": [1, 2, 3]}).keep("numbers")
    >>> read_table(arena["numbers"])["x"].to_pylist()
    [1, 2, 3]
    """
    whole = _table_of(table)
    size = pa.MockOutputStream()
    _write(whole, size)
    buffer = arena.alloc(size.size())
    _write(whole, pa.FixedSizeBufferWriter(pa.py_buffer(buffer.view)))
    return buffer


def read_table(buffer: Any) -> Any:
    """Read the table of an Arrow IPC stream in place.

    Parameters
    ----------
    buffer : Buffer, memoryview or other object with bytes
        What `write_table` returned, or any other Arrow IPC stream.

    Returns
    -------
    pyarrow.Table
        Its columns are views of the buffer, which they keep.

    Raises
    ------
    TypeError
        If the object has no bytes.
    ValueError
        If the bytes are not an Arrow IPC stream.

    Notes
    -----
    Takes some microseconds, however large the table is. Only the description of the table is checked:
    for bytes from a program that you do not trust, call ``table.validate(full=True)``.

    Examples
    --------
    >>> import pagebuddy
    >>> arena = pagebuddy.Arena("1 MiB")
    >>> buffer = write_table(arena, {"x": [1, 2, 3]})
    >>> read_table(buffer).num_rows
    3
    """
    # An array has a method of this name. Uncompiled, a Buffer itself exports no bytes.
    view = getattr(buffer, "view", None)
    stream = pa.py_buffer(view if isinstance(view, memoryview) else buffer)
    try:
        return pa.ipc.open_stream(stream).read_all()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"these {stream.size} bytes are not an Arrow IPC stream: {error}; give the buffer that "
            "write_table returned"
        ) from error


def _table_of(thing: Any) -> Any:
    if isinstance(thing, pa.Table):
        return thing
    return pa.Table.from_batches([thing]) if isinstance(thing, pa.RecordBatch) else pa.table(thing)


def _write(table: Any, sink: Any) -> None:
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def in_parts(pickler: OutOfBand, table: Any) -> tuple[bytes, list[memoryview], bool]:
    """Return the pickle of a table, its buffers, and whether one of them lies in the pickler's arena."""
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(table, 5, buffer_callback=buffers.append)
    raws = [each.raw() for each in buffers]
    return data, raws, any(pickler.has(raw) for raw in raws if len(raw))


def _reduced(pickler: OutOfBand, table: Any) -> Any:
    """Reduce a table or a record batch."""
    data, raws, is_there = in_parts(pickler, table)
    if not is_there and sum(map(len, raws)) > 2 * _shown(table) + WASTE:
        # A part of a larger one.
        data, raws, _ = in_parts(pickler, _written_anew(table))
    try:
        return remade_table, (data, pickler.placed(raws))
    except OutOfPages as error:
        fallbacks.count("full", f"{error}. A table is sent as bytes instead, as pyarrow pickles it")
        parts = [pickle.PickleBuffer(raw) if pickler.has(raw) else bytes(raw) for raw in raws]
        return remade_table, (data, parts)


def _shown(table: Any) -> int:
    try:
        return int(table.nbytes)
    except pa.ArrowException:
        # Not known for all types by earlier versions.
        return int(table.get_total_buffer_size())


def _written_anew(table: Any) -> Any:
    """Return the same without what it refers to and does not show."""
    sink = pa.BufferOutputStream()
    _write(_table_of(table), sink)
    stream = pa.ipc.open_stream(sink.getvalue())
    return stream.read_all() if isinstance(table, pa.Table) else stream.read_next_batch()


@permanent
def remade_table(data: bytes, parts: list[Any]) -> Any:
    """Return the table, or record batch, of a pickle and its buffers."""
    try:
        return pickle.loads(data, buffers=parts)
    finally:
        # An exception refers to this frame.
        parts.clear()


REDUCERS[pa.Table] = REDUCERS[pa.RecordBatch] = _reduced
