"""A named arena, and a second process that overwrites whatever is free in it."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def environment(engine):
    """What a process needs in order to have the same engine."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PAGEBUDDY_")}
    needed = "PAGEBUDDY_PURE" if engine == "uncompiled" else "PAGEBUDDY_REQUIRE_COMPILED"
    return kept | {needed: "1"}


@pytest.fixture(scope="session")
def stranger(environment):
    """A function that lets another process overwrite all that is free in an arena of that name."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("stranger.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )

    def overwrite(name):
        process.stdin.write(f"{name}\n")
        process.stdin.flush()
        return int(process.stdout.readline())

    yield overwrite
    process.stdin.close()
    process.wait()
    process.stdout.close()


@pytest.fixture
def arena(Arena, name):
    """An arena of 64 pages with a name."""
    return Arena.create(name, "256 KiB", lock="file")


@pytest.fixture
def overwrite(arena, name, stranger):
    """A function: another process writes 0xFF to all that is free; how many pages these were."""
    return lambda: stranger(name)


@pytest.fixture
def _without_gc():
    """Nothing is found by the garbage collector: what ends, ends by itself."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


LETTING_GO = {
    "deleted": lambda buffer: None,
    "released": lambda buffer: buffer.release(),
    "left": lambda buffer: buffer.__exit__(None, None, None),
    "released twice": lambda buffer: (buffer.release(), buffer.release()),
}


@pytest.fixture(params=["Buffer", "Buffer.view", "Buffer.array"])
def source(request, engine):
    """What a view is made of, from a buffer."""
    if request.param == "Buffer.view":
        return lambda buffer: buffer.view
    if request.param == "Buffer.array":
        pytest.importorskip("numpy")
        return lambda buffer: buffer.array()
    if engine == "uncompiled":
        pytest.skip("uncompiled, a Buffer cannot export itself")
    return lambda buffer: buffer


@pytest.fixture
def prove(arena, overwrite, source, _without_gc):
    """A function that proves of a kind of view, by how it is made and read, that it keeps its pages.

    Another process overwrites all that is free once the buffers were let go of, each in another way.
    When the views die all is free at once.
    """

    def prove(make, read=bytes):
        views = {}
        for number, (way, let_go) in enumerate(LETTING_GO.items()):
            buffer = arena.alloc(10_000)
            buffer.view[:] = bytes((i + number) * 7 % 251 for i in range(10_000))
            expected = bytes(read(make(source(buffer))))
            assert b"\xff" not in expected
            views[way] = make(source(buffer)), expected
            let_go(buffer)
            del buffer
        arena.close()
        assert overwrite() == 64 - 3 * len(views)
        assert [way for way, (view, was) in views.items() if bytes(read(view)) != was] == []
        views.clear()
        assert overwrite() == 64

    return prove
