"""polars frames and series in an arena: they arrive as they were, and are views of its pages."""

from __future__ import annotations

import datetime as dt
import decimal
import gc
import logging
import pickle
import subprocess
import sys
from contextlib import suppress
from types import SimpleNamespace

import pytest

pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

from hypothesis import given  # noqa: E402
from polars.testing import assert_frame_equal, assert_series_equal  # noqa: E402
from polars.testing.parametric import dataframes  # noqa: E402

from pagebuddy import Arena as ChosenArena  # noqa: E402
from pagebuddy import pickled  # noqa: E402
from pagebuddy.adapters import polars  # noqa: E402

N = 3000
NEWEST = pl.CompatLevel.newest()


@pytest.fixture
def arena(Arena):
    return Arena("16 MiB")


@pytest.fixture
def frame():
    words = [None if i % 7 == 0 else f"a longer text {i}" for i in range(N)]
    return pl.DataFrame({"number": range(N), "text": words, "flag": [i % 3 == 0 for i in range(N)]})


def is_in(arena, frame):
    """Whether all that a frame refers to lies in an arena."""
    base, n_bytes = arena._open.extent
    columns = frame.to_arrow(compat_level=NEWEST).columns
    buffers = (each for column in columns for chunk in column.chunks for each in chunk.buffers())
    found = [each.address for each in buffers if each is not None and each.size]
    return all(base <= address < base + n_bytes for address in found)


def used(arena):
    gc.collect()
    return arena.stats().used


def counted(reason):
    return polars.fallbacks.counts.get(reason, 0)


SERIES = {
    "int": pl.Series(range(N)),
    "nulls": pl.Series([None if i % 3 == 0 else i for i in range(N)]),
    "bool": pl.Series([i % 3 == 0 for i in range(N)]),
    "f32": pl.Series([0.5] * N, dtype=pl.Float32),
    "text": pl.Series(["x" * (i % 40) for i in range(N)]),
    "binary": pl.Series([b"x" * (i % 40) for i in range(N)]),
    "list": pl.Series([list(range(i % 5)) for i in range(N)]),
    "texts": pl.Series([["x" * (i % 40)] * (i % 5) for i in range(N)]),
    "array": pl.Series([[i, i + 1] for i in range(N)], dtype=pl.Array(pl.Int64, 2)),
    "struct": pl.Series([{"x": i, "y": str(i)} for i in range(N)]),
    "decimal": pl.Series([decimal.Decimal("1.5")] * N, dtype=pl.Decimal(38, 1)),
    "zoned": pl.Series([dt.datetime(2026, 1, 1)] * N).dt.replace_time_zone("Europe/Paris"),
    "ms": pl.Series([dt.datetime(2026, 1, 1)] * N, dtype=pl.Datetime("ms")),
    "date": pl.Series([dt.date(2026, 1, 1)] * N),
    "time": pl.Series([dt.time(1)] * N),
    "duration": pl.Series([dt.timedelta(1)] * N),
    "null": pl.Series([None] * N),
    "chunks": pl.concat([pl.Series(range(N)), pl.Series(range(N))], rechunk=False),
}
CODED = {
    "categorical": pl.Series(["ab"[i % 2] for i in range(N)], dtype=pl.Categorical),
    "enum": pl.Series(["ab"[i % 2] for i in range(N)], dtype=pl.Enum(["a", "b", "c"])),
}


@pytest.mark.parametrize("series", (SERIES | CODED).values(), ids=SERIES | CODED)
def test_series_of_every_type_arrive_as_they_were(arena, series):
    before = counted("types")
    for part in (series.rename("it"), series[7:1000], series[:0], series[::-1]):
        found = arena.loads(arena.dumps(part))
        assert_series_equal(found, part, categorical_as_str=True)
        frame = arena.loads(arena.dumps(part.to_frame()))
        assert_frame_equal(frame, part.to_frame(), categorical_as_str=True)
        arena.objects["it"] = part
        assert_series_equal(arena.objects["it"], part, categorical_as_str=True)
    assert counted("types") == before


@pytest.mark.parametrize("series", SERIES.values(), ids=SERIES)
def test_series_are_views_of_the_arena(arena, series):
    # Small ones are part of the message.
    series = pl.concat([series] * 16) if series.dtype == pl.Boolean else series
    arena.objects["it"] = series
    for found in (arena.loads(arena.dumps(series)), arena.objects["it"]):
        assert is_in(arena, found.to_frame())
        assert found.n_chunks() == series.n_chunks()


@given(frame=dataframes(excluded_dtypes=[pl.Object], allow_chunks=True, max_size=30))
def test_any_frame_arrives_as_polars_would_pickle_it(frame):
    arena = ChosenArena("4 MiB")
    assert_frame_equal(arena.loads(arena.dumps(frame)), pickle.loads(pickle.dumps(frame)))


def test_a_frame_is_sent_as_one_buffer(arena, frame):
    data = arena.dumps(frame)
    assert len(data) < 1500
    assert len(list(arena.buffers())) == 1
    found = arena.loads(data)
    assert_frame_equal(found, frame)
    assert is_in(arena, found)


def test_a_received_frame_and_its_parts_are_sent_on_without_a_copy(arena, frame):
    found = arena.loads(arena.dumps(frame))
    before = used(arena)
    for part in (found, found[96:1000], found.select("text"), found["number"], found.head(3)):
        again = arena.loads(arena.dumps(part))
        assert again.equals(part)
        assert used(arena) == before
    del found, part, again
    assert used(arena) == 0


def test_pages_stay_as_long_as_anything_of_a_frame(arena, frame):
    column = arena.loads(arena.dumps(frame))["number"]
    assert used(arena) > 0
    part = column[10:20]
    del column
    assert used(arena) > 0
    array = part.to_numpy()
    del part
    assert used(arena) > 0
    assert array.tolist() == list(range(10, 20))
    del array
    assert used(arena) == 0


def test_a_frame_outlives_the_key_that_it_was_read_from(arena, frame):
    arena.objects["it"] = frame
    found = arena.objects["it"]
    del arena.objects["it"]
    assert_frame_equal(found, frame)
    del found
    assert used(arena) == 0


def test_a_frame_that_occurs_twice_arrives_as_one(arena, frame):
    first, second = arena.loads(arena.dumps([frame, frame]))
    assert first is second


def test_columns_need_no_name(arena):
    frame = pl.DataFrame({"": range(N), "x": range(N)})
    assert_frame_equal(arena.loads(arena.dumps(frame)), frame)


def test_small_frames_need_no_pages(arena):
    data = arena.dumps(pl.DataFrame({"x": [1, 2, 3]}))
    assert used(arena) == 0
    assert arena.loads(data)["x"].to_list() == [1, 2, 3]


def test_a_few_rows_are_sent_without_the_text_of_the_others(arena):
    frame = pl.DataFrame({"text": [f"some text that is long {i}" for i in range(100_000)]})
    part = frame.filter(pl.col("text").str.ends_with("77"))
    found = arena.loads(arena.dumps(part))
    assert_frame_equal(found, part)
    assert arena.stats().used_bytes < 100_000


def test_it_stays_known_which_columns_are_sorted(arena, frame):
    frame = frame.with_columns(falling=-pl.col("number").set_sorted()).sort("number")
    frame = frame.with_columns(pl.col("falling").set_sorted(descending=True))
    found = arena.loads(arena.dumps(frame))
    for name in frame.columns:
        assert found[name].flags == frame[name].flags, name
    assert found["falling"].flags["SORTED_DESC"]


CHANGES = {
    "an item": lambda frame: frame.to_series(0).__setitem__(0, 99),
    "an item of a frame": lambda frame: frame.__setitem__((0, "number"), 99),
    "scatter": lambda frame: frame.to_series(0).scatter([1, 2], [5, 6]),
    "in place": lambda frame: frame.to_series(0).sort(descending=True, in_place=True),
    "plus": lambda frame: frame.to_series(0) + 1,
    "with_columns": lambda frame: frame.with_columns(pl.col("number") * 2),
    "lazy": lambda frame: frame.lazy().select(pl.col("number") + 1).collect(),
    "numpy": lambda frame: frame.to_series(0).to_numpy(writable=True).fill(3),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_a_receiver_changes_is_its_own_copy(arena, change):
    frame = pl.DataFrame({"number": range(N)})
    arena.objects["it"] = frame
    for found in (arena.objects.get("it", writable=True), arena.loads(arena.dumps(frame))):
        again = arena.loads(arena.dumps(found))
        del found
        change(again)
    assert_frame_equal(arena.objects["it"], frame)


def test_a_frame_without_columns_arrives(arena):
    frame = pl.DataFrame({"x": [1, 2]}).select([])
    for bare in (pl.DataFrame(), frame):
        assert arena.loads(arena.dumps(bare)).shape == pickle.loads(pickle.dumps(bare)).shape
    with suppress(TypeError):  # what earlier versions raise
        bare = pl.DataFrame(height=5)
        assert arena.loads(arena.dumps(bare)).shape == (5, 0)


def test_a_frame_without_rows_arrives(arena, frame):
    assert_frame_equal(arena.loads(arena.dumps(frame.clear())), frame.clear())


def test_what_arrow_has_no_type_for_is_pickled_by_polars(arena, caplog):
    frame = pl.DataFrame({"large": pl.Series([1, 2], dtype=pl.Int128)})
    before = counted("types")
    with caplog.at_level(logging.WARNING, "pagebuddy"):
        for _ in range(2):
            found = arena.loads(arena.dumps({"it": frame}))["it"]
    assert_frame_equal(found, frame)
    assert counted("types") == before + 2
    assert len(caplog.records) == (not before)


def test_python_objects_raise_what_polars_raises(arena):
    frame = pl.DataFrame({"it": pl.Series([object()], dtype=pl.Object)})

    def outcome(dumps):
        try:
            dumps(frame)
        except BaseException as error:
            return type(error), str(error)

    assert outcome(arena.dumps) == outcome(pickle.dumps)


def test_a_frame_is_read_in_place_where_pages_are_mapped_read_only(Arena, name, frame, run):
    arena = Arena.create(name, "16 MiB")
    arena.objects["it"] = frame
    assert run("read_only", name) == f"{frame['number'].sum() + N}\n"


def test_a_frame_that_does_not_fit_is_sent_as_bytes(Arena, frame):
    arena = Arena("64 KiB")
    before = counted("full")
    assert_frame_equal(arena.loads(arena.dumps(frame)), frame)
    assert counted("full") == before + 1
    assert used(arena) == 0


class Own(pl.DataFrame):
    """A class that the adapter does not know."""


def test_queries_and_subclasses_are_pickled_as_by_polars(arena, frame, monkeypatch):
    query = frame.lazy().filter(pl.col("number") > 5)
    assert_frame_equal(arena.loads(arena.dumps(query)).collect(), query.collect())
    monkeypatch.setitem(sys.modules, __name__, SimpleNamespace(Own=Own))
    found = arena.loads(arena.dumps(Own(frame)))
    assert type(found) is Own
    assert pl.DataFrame(found).equals(frame)


def test_the_plain_pickle_of_a_frame_is_polars_s_own(frame):
    assert b"pagebuddy" not in pickle.dumps(frame, 5)


def test_handles_can_be_read_only_and_for_several_receivers(arena, frame):
    data = arena.dumps(frame, receivers=2, expires=60, readonly=True)
    first, second = arena.loads(data), arena.loads(data)
    assert first.equals(second)
    assert is_in(arena, first)


@pytest.mark.one_engine
def test_frames_pass_between_processes(run):
    assert run("between_processes", "spawn") == "all arrived in place; 0 bytes in use\n"


@pytest.mark.parametrize(
    ("before", "says"),
    [
        ("sys.modules['polars'] = None", r"pip install 'pagebuddy\[polars\]'"),
        ("import polars; polars.__version__ = '1.19.0'", r"polars 1\.19\.0 is installed; .* 1\.20"),
        ("import pyarrow; pyarrow.__version__ = '15.0.2'", r"pyarrow 15\.0\.2 is installed; .* 16"),
    ],
)
def test_without_fitting_versions_the_import_says_what_to_install(before, says):
    program = f"import sys; {before}\nimport pagebuddy.adapters.polars"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    with pytest.raises(ImportError, match=says):
        raise ImportError(done.stderr.splitlines()[-1])


def test_messages_name_the_permanent_module():
    assert polars.remade_frame is pickled.remade_frame
    assert polars.remade_frame.__module__ == "pagebuddy.pickled"
