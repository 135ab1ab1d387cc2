"""Arrow tables in an arena: written as IPC and read in place, and sent as one buffer."""

from __future__ import annotations

import decimal
import gc
import logging
import pickle
import subprocess
import sys

import pytest

pa = pytest.importorskip("pyarrow")
np = pytest.importorskip("numpy")

from pagebuddy import OutOfPages  # noqa: E402
from pagebuddy.adapters import arrow  # noqa: E402
from pagebuddy.adapters.arrow import read_table, write_table  # noqa: E402

N = 3000


@pytest.fixture
def arena(Arena):
    return Arena("16 MiB")


@pytest.fixture
def table():
    words = pa.array([f"row {i}" for i in range(N)])
    return pa.table({"number": np.arange(N), "text": words, "kind": words.dictionary_encode()})


def addresses(table):
    """The address and the size of each of a table's buffers."""
    chunks = (chunk for column in table.columns for chunk in column.chunks)
    buffers = (each for chunk in chunks for each in chunk.buffers())
    return [(each.address, each.size) for each in buffers if each is not None and each.size]


def is_in(arena, table):
    base, n_bytes = arena._open.extent
    return all(base <= start < base + n_bytes for start, _ in addresses(table))


def used(arena):
    gc.collect()
    return arena.stats().used


def test_a_table_is_written_and_read_in_place(arena, table):
    buffer = write_table(arena, table)
    found = read_table(buffer)
    assert found.equals(table)
    first, end = buffer.offset, buffer.offset + buffer.nbytes
    base, _ = arena._open.extent
    assert all(first <= start - base <= end - n for start, n in addresses(found))


def test_the_pages_stay_as_long_as_a_column_that_was_read(arena, table):
    column = read_table(write_table(arena, table))["number"].slice(5, 10)
    assert used(arena) > 0
    values = column.chunk(0).to_numpy()
    del column
    assert used(arena) > 0
    assert values.tolist() == list(range(5, 15))
    del values
    assert used(arena) == 0


def test_what_is_written_can_be_kept_under_a_key(arena, table):
    write_table(arena, table).keep("table")
    assert read_table(arena["table"]).equals(table)


@pytest.mark.parametrize(
    "thing",
    [{"x": [1, 2]}, pa.RecordBatch.from_pydict({"x": [1, 2]}), pa.table({"x": [1, 2]})],
    ids=type,
)
def test_all_that_arrow_takes_for_a_table_is_written(arena, thing):
    assert read_table(write_table(arena, thing)).to_pydict() == {"x": [1, 2]}


def test_a_table_that_does_not_fit_is_not_written(Arena):
    arena = Arena("64 KiB")
    with pytest.raises(OutOfPages):
        write_table(arena, {"x": np.arange(100_000)})
    assert used(arena) == 0


@pytest.mark.parametrize("bad", [b"", b"hello", b"x" * 500])
def test_what_is_no_stream_is_a_value_error(bad):
    with pytest.raises(ValueError, match=f"these {len(bad)} bytes are not an Arrow IPC stream"):
        read_table(bad)


def test_what_has_no_bytes_is_a_type_error():
    with pytest.raises(TypeError):
        read_table(5)


def test_a_table_is_sent_as_one_buffer(arena, table):
    data = arena.dumps(table)
    assert len(data) < 1500
    assert len(list(arena.buffers())) == 1
    found = arena.loads(data)
    assert found.equals(table)
    assert is_in(arena, found)
    # As Arrow recommends, for vector registers.
    assert all(start % 64 == 0 for start, _ in addresses(found))


def test_a_received_table_and_its_slices_are_sent_on_without_a_copy(arena, table):
    found = arena.loads(arena.dumps(table))
    before = used(arena)
    for part in (found, found[100:200], found.select(["text"]), found.to_batches()[0]):
        again = arena.loads(arena.dumps(part))
        assert again.equals(part)
        assert type(again) is type(part)
        assert used(arena) == before
    del found, part, again
    assert used(arena) == 0


@pytest.mark.parametrize("kind", ["table", "batch"])
def test_a_slice_is_sent_without_the_rest(arena, kind):
    table = pa.table({"number": np.arange(100_000), "text": [str(i) for i in range(100_000)]})
    part = (table if kind == "table" else table.to_batches()[0]).slice(50_000, 2000)
    found = arena.loads(arena.dumps(part))
    assert found.equals(part)
    assert type(found) is type(part)
    assert arena.stats().used_bytes < 40_000


def test_a_part_of_a_table_in_the_arena_travels_with_what_is_not(arena, table):
    found = arena.loads(arena.dumps(table))
    before = used(arena)
    both = found.append_column("more", pa.array(np.arange(N) * 2))
    again = arena.loads(arena.dumps(both))
    assert again.equals(both)
    assert is_in(arena, again)
    # The new column alone was copied.
    assert used(arena) - before == -(-N * 8 // 4096)


TYPES = {
    "null": pa.nulls(N),
    "bool": pa.array([i % 3 == 0 for i in range(N)]),
    "some": pa.array([i if i % 3 else None for i in range(N)]),
    "decimal": pa.array([decimal.Decimal("1.5")] * N),
    "time": pa.array(np.arange(N), pa.timestamp("us", tz="Europe/Paris")),
    "list": pa.array([list(range(i % 5)) for i in range(N)]),
    "map": pa.array([[(str(i), i)] for i in range(N)], pa.map_(pa.string(), pa.int64())),
    "struct": pa.array([{"x": i, "y": str(i)} for i in range(N)]),
    "union": pa.UnionArray.from_dense(
        pa.array([0, 1] * (N // 2), pa.int8()),
        pa.array([i // 2 for i in range(N)], pa.int32()),
        [pa.array(range(N // 2)), pa.array(["x"] * (N // 2))],
    ),
    "chunks": pa.chunked_array([pa.array(range(N // 2)), pa.array(range(N // 2))]),
    "fixed": pa.array([b"12345678"] * N, pa.binary(8)),
}


@pytest.mark.parametrize("values", TYPES.values(), ids=TYPES)
def test_columns_of_every_type_arrive_as_they_were(arena, values):
    table = pa.table({"it": values}, metadata={"who": "me"})
    for part in (table, table[7:1000], table[:0]):
        found = arena.loads(arena.dumps(part))
        assert found.equals(part, check_metadata=True)
        found.validate(full=True)
        arena.objects["it"] = part
        assert arena.objects["it"].equals(part, check_metadata=True)
        if len(part) == N:
            assert is_in(arena, arena.objects["it"])


def test_a_table_that_does_not_fit_is_sent_as_bytes_and_logged_once(Arena, table, caplog):
    arena = Arena("64 KiB")
    before = arrow.fallbacks.counts.get("full", 0)
    with caplog.at_level(logging.WARNING, "pagebuddy"):
        for _ in range(2):
            data = arena.dumps(table)
    assert arena.loads(data).equals(table)
    assert arrow.fallbacks.counts["full"] == before + 2
    assert len(caplog.records) == (not before)
    assert used(arena) == 0


def test_the_plain_pickle_of_a_table_is_pyarrow_s_own(table):
    assert b"pagebuddy" not in pickle.dumps(table, 5)


def test_pandas_reads_its_text_in_the_arena(arena):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"text": pd.array([f"row {i}" for i in range(N)], "string[pyarrow]")})
    found = arena.loads(arena.dumps(frame))
    pd.testing.assert_frame_equal(found, frame)
    assert is_in(arena, pa.table({"it": found["text"].array._pa_array}))


@pytest.mark.parametrize(
    ("before", "says"),
    [
        ("sys.modules['pyarrow'] = None", r"pip install 'pagebuddy\[arrow\]'"),
        (
            "import pyarrow; pyarrow.__version__ = '13.0.0'",
            r"pyarrow 13\.0\.0 is installed; .* 14 and",
        ),
    ],
)
def test_without_a_fitting_pyarrow_the_import_says_what_to_install(before, says):
    program = f"import sys; {before}\nimport pagebuddy.adapters.arrow"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    with pytest.raises(ImportError, match=says):
        raise ImportError(done.stderr.splitlines()[-1])
