"""Whatever is wrong with what is given, the error says what was given, and what is allowed or to do."""

from __future__ import annotations

import math

import pytest

from pagebuddy import BadFree, OutOfPages

BAD_SIZES = [
    (0, ValueError, "size is 0; it must be at least 1"),
    (-1, ValueError, "size is -1; it must be at least 1"),
    ("0 MiB", ValueError, "size is 0; it must be at least 1"),
    ("-1 MiB", ValueError, "size is '-1 MiB'; write a number and a unit: bytes; KiB"),
    ("lots", ValueError, "size is 'lots'; write a number and a unit"),
    ("", ValueError, "size is ''; write a number and a unit"),
    ("1.0001 KiB", ValueError, "size is '1.0001 KiB', which is not a whole number of bytes"),
    (1.5, TypeError, r"size is 1.5; it must be a whole number of bytes, or text such as '64 KiB'"),
    (math.nan, TypeError, "size is nan; it must be a whole number"),
    (None, TypeError, "size is None; it must be a whole number"),
    (True, TypeError, "size is True; it must be a whole number"),
    (b"1 MiB", TypeError, "size is b'1 MiB'; it must be a whole number"),
    (1 << 44, ValueError, r"\d+ pages of 4096 bytes; an arena has at most .* a larger page_size"),
    ((1 << 61) + 1, ValueError, f"it must be at most {1 << 61}"),
]

BAD_OPTIONS = [
    ({"page_size": 0}, ValueError, "page_size is 0; it must be at least 1"),
    ({"page_size": 32}, ValueError, "page_size is 32; it must be at least 64"),
    ({"page_size": 100}, ValueError, "page_size is 100; it must be a power of two, 64 or 128"),
    ({"page_size": 1 << 41}, ValueError, f"page_size is {1 << 41}; it must be at most {1 << 40}"),
    ({"page_size": "4 KiB"}, TypeError, "page_size is '4 KiB', a str; it must be an integer"),
    ({"max_order": -1}, ValueError, "max_order is -1; it must be at least 0"),
    ({"max_order": 32}, ValueError, "max_order is 32; it must be at most 31"),
    ({"max_order": 1.0}, TypeError, r"max_order is 1.0, a float; it must be an integer"),
    ({"slots": 1}, ValueError, "slots is 1; it must be at least 2"),
    ({"slots": 1025}, ValueError, "slots is 1025; it must be at most 1024"),
    ({"slots": "48"}, TypeError, "slots is '48', a str; it must be an integer"),
    ({"lock": "spin"}, ValueError, "lock is 'spin'; it must be 'mutex' or 'file'"),
    ({"lock": 1}, TypeError, "lock is 1; it must be 'mutex' or 'file'"),
    ({"reserve": 1}, TypeError, "reserve is 1; it must be True or False"),
    ({"populate": "yes"}, TypeError, "populate is 'yes'; it must be True or False"),
    ({"huge": 2.5}, TypeError, "huge is 2.5"),
]


@pytest.mark.parametrize("kind", ["anonymous", "named", "file"])
@pytest.mark.parametrize(("size", "error", "match"), BAD_SIZES, ids=lambda it: str(it)[:12])
def test_sizes(make, kind, size, error, match, left_behind):
    if kind == "file" and size is None:
        pytest.skip("a file that is there needs no size")
    before = left_behind()
    with pytest.raises(error, match=match):
        make[kind](size)
    assert left_behind() == before


def test_more_than_there_are_addresses(Arena, left_behind):
    before = left_behind()
    with pytest.raises(ValueError, match="which is more than this process can map"):
        Arena(1 << 47, page_size=1 << 20)
    assert left_behind() == before


@pytest.mark.parametrize("kind", ["anonymous", "named", "file"])
@pytest.mark.parametrize(("options", "error", "match"), BAD_OPTIONS, ids=str)
def test_options(make, kind, options, error, match, left_behind):
    if kind == "file" and "huge" in options:
        match = "unexpected keyword argument 'huge'"
    before = left_behind()
    with pytest.raises(error, match=match):
        make[kind]("1 MiB", **options)
    assert left_behind() == before


@pytest.mark.parametrize(
    "name", ["", "a/b", "/a", "..", ".a", "a" * 101, "ä", "a b", "a\0b", "a\n"]
)
def test_names(Arena, name):
    for act in (
        lambda: Arena.create(name, "1 MiB"),
        lambda: Arena.attach(name),
        lambda: Arena.open(name, "1 MiB"),
    ):
        with pytest.raises(ValueError, match=r"name is .*; use 1 to 100 letters, digits"):
            act()


def test_names_of_another_type(Arena):
    for name in (5, None, b"frames"):
        with pytest.raises(TypeError, match=r"name is .*; it must be text"):
            Arena.create(name, "1 MiB")
    for name in (None, 1.5, b"frames", ("frames",)):
        with pytest.raises(
            TypeError, match=r"arena is .*; it must be a name or an open descriptor"
        ):
            Arena.attach(name)


def test_paths(Arena, tmp_path):
    for path in (5, None, b"store"):
        with pytest.raises(TypeError, match=r"path is .*; it must be text or a path object"):
            Arena.file(path, "1 MiB")
    for path in ("", f"{tmp_path}/"):
        with pytest.raises(ValueError, match=r"path is .*; it must name a file"):
            Arena.file(path, "1 MiB")
    with pytest.raises(FileNotFoundError):
        Arena.file(tmp_path / "none" / "store", "1 MiB")
    with pytest.raises(ValueError, match="is not a regular file, so it is not an arena"):
        Arena.file(tmp_path, "1 MiB")


BAD_REQUESTS = [
    ((0,), {}, ValueError, "nbytes is 0; it must be at least 1"),
    ((-1,), {}, ValueError, "nbytes is -1; it must be at least 1"),
    ((1.5,), {}, TypeError, "nbytes is 1.5; it must be a whole number of bytes"),
    ((None,), {}, TypeError, "nbytes is None"),
    ((True,), {}, TypeError, "nbytes is True"),
    (("some",), {}, ValueError, "nbytes is 'some'; write a number and a unit"),
    ((1 << 70,), {}, ValueError, f"nbytes is {1 << 70}; it must be at most {1 << 61}"),
    ((1 << 61,), {}, OutOfPages, f"no room for .*{1 << 61} bytes"),
    ((9,), {"align": 3}, ValueError, "align is 3; it must be a power of two, 2 or 4"),
    ((9,), {"align": 0}, ValueError, "align is 0; it must be at least 1"),
    ((9,), {"align": -8}, ValueError, "align is -8; it must be at least 1"),
    ((9,), {"align": 8.0}, TypeError, "align is 8.0; it must be a whole number of bytes"),
    ((9,), {"keep": 5}, TypeError, "key is 5; it must be text, or True for no key"),
    ((9,), {"keep": ""}, ValueError, "key is ''; it must have 1 to 47 ASCII characters"),
    ((9,), {"keep": "k" * 48}, ValueError, "it must have 1 to 47 ASCII characters"),
    ((9,), {"keep": "schlüssel"}, ValueError, "it must have 1 to 47 ASCII characters"),
    ((9,), {"keep": "a\0b"}, ValueError, "it must have 1 to 47 ASCII characters"),
    ((9,), {"timeout": -1}, ValueError, "timeout is -1; it must not be negative"),
    ((9,), {"timeout": math.nan}, ValueError, "timeout is nan; it must not be negative"),
    ((9,), {"timeout": "soon"}, TypeError, "timeout is 'soon'; it must be a number of seconds"),
    ((9,), {"timeout": "5"}, TypeError, "timeout is '5'; it must be a number of seconds"),
    ((9,), {"timeout": b"5"}, TypeError, "timeout is b'5'; it must be a number of seconds"),
    ((9,), {"timeout": -math.inf}, ValueError, "timeout is -inf; it must not be negative"),
    ((9,), {"timeout": ()}, TypeError, r"timeout is \(\); it must be a number of seconds"),
    ((9, 8), {}, TypeError, "argument"),
    ((9,), {"colour": 1}, TypeError, "colour"),
    ((), {}, TypeError, "nbytes|argument"),
]


@pytest.mark.parametrize(("given", "options", "error", "match"), BAD_REQUESTS, ids=str)
def test_requests(arena, given, options, error, match):
    before = bytes(arena._attachment.memory)
    with pytest.raises(error, match=match):
        arena.alloc(*given, **options)
    if error is not OutOfPages:
        assert bytes(arena._attachment.memory) == before
    assert arena.stats().used == 0
    arena.verify()


def test_looking_for_what_is_not_there(arena):
    for key in ("none", "k" * 47):
        with pytest.raises(KeyError) as caught:
            arena[key]
        assert caught.value.args == (key,)
        assert key not in arena
    for key in (True, 5, 0, None):
        with pytest.raises(TypeError, match=rf"key is {key}; it must be text"):
            arena[key]
    for offset, match in ((-1, "at least 0"), (1, "multiple of 4096"), (arena.size, "at most")):
        with pytest.raises(ValueError, match=rf"offset is {offset};.*{match}"):
            arena.buffer_at(offset)
    with pytest.raises(TypeError, match="offset is '0', a str; it must be an integer"):
        arena.buffer_at("0")
    buffer = arena.alloc(8192)
    for offset in (buffer.offset + 4096, buffer.offset + 8192):
        with pytest.raises(BadFree, match=f"there is no buffer at page {offset // 4096}: it was"):
            arena.buffer_at(offset)
    arena.verify()


def test_a_buffer_is_made_by_an_arena(arena):
    with pytest.raises(
        TypeError, match=r"a Buffer is made by an arena: call arena.alloc\(nbytes\)"
    ):
        type(arena.alloc(1))()
