"""polars in an arena: `import pagebuddy.adapters.polars`.

From then on, the process sends frames and series by handles, and a frame that it received is a view of
the arena. The bytes lie there as in Arrow, so that polars uses them in place. What a process sends is
copied into the arena once, if it does not lie there yet.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

try:
    import polars as pl
    import pyarrow as pa
except ImportError as error:
    raise ImportError(f"{error}; to install it: pip install 'pagebuddy[polars]'") from error
if tuple(map(int, pl.__version__.split(".")[:2])) < (1, 20):
    raise ImportError(
        f"polars {pl.__version__} is installed; pagebuddy.adapters.polars supports polars 1.20 and "
        "later: pip install 'pagebuddy[polars]'"
    )
if int(pa.__version__.split(".")[0]) < 16:
    raise ImportError(
        f"pyarrow {pa.__version__} is installed; pagebuddy.adapters.polars supports pyarrow 16 and "
        "later: pip install 'pagebuddy[polars]'"
    )

from pagebuddy.adapters.arrow import WASTE, in_parts, remade_table
from pagebuddy.arena.fallbacks import Fallbacks
from pagebuddy.errors import OutOfPages
from pagebuddy.exchange.out_of_band import REDUCERS
from pagebuddy.pickled import permanent

if TYPE_CHECKING:
    from pagebuddy.exchange.out_of_band import OutOfBand

__all__ = ["fallbacks"]

fallbacks = Fallbacks("pagebuddy.adapters.polars")

# Strings as polars has them, so that they need not be copied.
_NEWEST = pl.CompatLevel.newest()


def _reduced_frame(pickler: OutOfBand, frame: Any) -> Any:
    return _reduced(pickler, frame, False)


def _reduced_series(pickler: OutOfBand, series: Any) -> Any:
    return _reduced(pickler, series.to_frame(), True)


def _reduced(pickler: OutOfBand, frame: Any, is_series: bool) -> Any:
    """Reduce a frame, or a series as a frame; NotImplemented if polars has to pickle it."""
    if not frame.width:
        return NotImplemented
    table = _table_of(frame)
    if table is None:
        return NotImplemented
    data, raws, is_there = in_parts(pickler, table)
    if not is_there and sum(map(len, raws)) > 2 * frame.estimated_size() + WASTE:
        # A few rows of a larger frame, whose strings it refers to.
        stream = io.BytesIO()
        frame.write_ipc_stream(stream, compat_level=_NEWEST)
        anew = pa.ipc.open_stream(pa.py_buffer(stream.getbuffer())).read_all()
        data, raws, _ = in_parts(pickler, anew)
    try:
        parts = pickler.placed(raws)
    except OutOfPages as error:
        fallbacks.count("full", f"{error}. A frame is sent as bytes instead, as polars pickles it")
        return NotImplemented
    ascending = [i for i, column in enumerate(frame) if column.flags["SORTED_ASC"]]
    descending = [i for i, column in enumerate(frame) if column.flags["SORTED_DESC"]]
    return remade_frame, (data, parts, ascending, descending, is_series)


def _table_of(frame: Any) -> Any:
    """Return a frame as an Arrow table; None if the receiver would not get the same frame from it."""
    reason = ""
    try:
        table = frame.to_arrow(compat_level=_NEWEST)
        if _frame_of(table.slice(0, 0)).schema == frame.schema:
            return table
    except (Exception, pl.exceptions.PanicException) as error:
        reason = f": {error}"
    kinds = ", ".join(sorted({str(kind.base_type()) for kind in frame.schema.values()}))
    fallbacks.count(
        "types",
        f"polars pickles frames with some types, which are then copied; this one has {kinds}{reason}",
    )
    return None


def _frame_of(table: Any) -> Any:
    """Return a frame that uses the memory of a table."""
    frame: Any = pl.from_arrow(table, rechunk=False)
    if frame.columns != table.column_names:
        # polars gives a column without a name another one.
        frame.columns = table.column_names
    return frame


@permanent
def remade_frame(
    data: bytes, parts: list[Any], ascending: list[int], descending: list[int], is_series: bool
) -> Any:
    """Return the frame over buffers, whose columns with these numbers are sorted; or its only column."""
    frame = _frame_of(remade_table(data, parts))
    for columns, falling in ((ascending, False), (descending, True)):
        for i in columns:
            frame.replace_column(i, frame.to_series(i).set_sorted(descending=falling))
    return frame.to_series() if is_series else frame


REDUCERS[pl.DataFrame] = _reduced_frame
REDUCERS[pl.Series] = _reduced_series
