"""What pyarrow and torch make of a buffer keeps its pages."""

import pytest


@pytest.fixture
def pa():
    return pytest.importorskip("pyarrow")


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def test_buffers_of_arrow(prove, pa):
    prove(pa.py_buffer, lambda buffer: buffer.to_pybytes())


def test_parts_of_buffers_of_arrow(prove, pa):
    prove(lambda source: pa.py_buffer(source).slice(100, 5000), lambda part: part.to_pybytes())


def test_arrays_of_arrow(prove, pa):
    def array(source):
        buffer = pa.py_buffer(source)
        return pa.Array.from_buffers(pa.uint8(), 10_000, [None, buffer])[5:]

    prove(array, lambda array: bytes(array.to_pylist()))


def test_tables_of_arrow_read_in_place(prove, pa):
    """A stream of record batches in the arena: the table that is read from it lies there."""
    batch = pa.record_batch([pa.array(range(500), pa.int32())], ["number"])

    def table(source):
        stream = pa.BufferOutputStream()
        with pa.ipc.new_stream(stream, batch.schema) as writer:
            writer.write_batch(batch)
        written = stream.getvalue().to_pybytes()
        memoryview(source)[: len(written)] = written
        return pa.ipc.open_stream(pa.py_buffer(source)).read_all()

    prove(table, lambda table: bytes(n % 251 for n in table["number"].to_pylist()))


def test_arrays_of_arrow_seen_by_numpy(prove, pa):
    pytest.importorskip("numpy")

    def seen(source):
        buffer = pa.py_buffer(source)
        return pa.Array.from_buffers(pa.uint8(), 10_000, [None, buffer]).to_numpy()

    prove(seen)


def test_tensors(prove, torch):
    def read(tensor):
        return bytes(tensor.numpy())

    prove(lambda source: torch.frombuffer(source, dtype=torch.uint8), read)
    # A memoryview that is released has nothing to keep; so this one is not.


def test_tensors_by_dlpack(prove, torch):
    np = pytest.importorskip("numpy")
    prove(
        lambda source: torch.from_dlpack(np.frombuffer(source, "u1"))[10:],
        lambda tensor: bytes(tensor.numpy()),
    )
