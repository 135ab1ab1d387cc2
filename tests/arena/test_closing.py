"""Closing, context managers and release: what goes on, and what does not."""

from __future__ import annotations

import pytest

from pagebuddy import ArenaClosed

USES = {
    "alloc": lambda arena: arena.alloc(5),
    "key": lambda arena: arena["it"],
    "in": lambda arena: "it" in arena,
    "buffer_at": lambda arena: arena.buffer_at(0),
    "size": lambda arena: arena.size,
    "page_size": lambda arena: arena.page_size,
    "n_pages": lambda arena: arena.n_pages,
    "with": lambda arena: arena.__enter__(),
    **{
        name: lambda arena, name=name: getattr(arena, name)()
        for name in ("stats", "buffers", "processes", "verify", "recover", "reap", "trim", "flush")
    },
    **{
        name: lambda arena, name=name: getattr(arena, name)()
        for name in ("fileno", "unlink", "keys")
    },
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_use_after_close(arena, use):
    arena.close()
    arena.close()
    assert arena.closed
    with pytest.raises(ArenaClosed, match="was closed; attach again, or make another"):
        use(arena)


def test_buffers_go_on(arena):
    buffer = arena.alloc(5)
    view = arena.alloc(5).view
    arena.close()
    buffer.view[:] = view[:] = b"hello"
    assert buffer.resize(4096)
    assert bytes(view) == b"hello"


def test_with(Arena):
    with Arena("64 KiB") as arena:
        with arena.alloc(5) as buffer:
            view = buffer.view
        assert arena.stats().used == 1
        del view
        assert arena.stats().used == 0
    assert arena.closed


def test_release(arena):
    buffer = arena.alloc(5)
    buffer.release()
    buffer.release()
    assert arena.stats().used == 0
    assert repr(buffer) == "<Buffer, released>"
    for use in (
        lambda: buffer.view,
        lambda: buffer.array(),
        lambda: buffer.resize(9),
        lambda: buffer.keep("it"),
        lambda: buffer.unkeep(),
        lambda: buffer.kept,
        lambda: buffer.__enter__(),
    ):
        with pytest.raises(ValueError, match="this buffer was released; allocate another"):
            use()
