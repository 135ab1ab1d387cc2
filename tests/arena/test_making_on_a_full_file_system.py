"""Arenas made on a file system that is small or full: there at once, or refused."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("kind", ["named", "file"])
@pytest.mark.parametrize("size", ["64 KiB", "1 GiB", "64 GiB"])
def test_one_is_made_or_is_refused_however_full_it_is(in_small, kind, size):
    """cpython 114390; pytorch 5040, 108861; ray 14182, 15951; triton-inference-server 5681."""
    said = in_small(
        1024,
        """
        kind, size = sys.argv[1:]
        free = 0
        while True:
            fill(free)
            if not refused(made, kind, size):
                break
            free += 1
        arena = Arena.attach("arena")
        assert free > 1
        print(arena.size, os.statvfs(FOLDER).f_bfree, arena.stats().used)
        """,
        kind,
        size,
    )
    assert said == f"{int(size.split()[0]) << (10 if 'K' in size else 30)} 0 0\n"


@pytest.mark.parametrize("kind", ["named", "file"])
@pytest.mark.parametrize("option", ["reserve", "populate"])
def test_what_is_to_be_there_at_once_is_there_or_is_refused(in_small, kind, option):
    """sglang 30602."""
    said = in_small(
        1024,
        """
        kind, option = sys.argv[1:]
        fill(130)
        assert refused(made, kind, "64 MiB", **{option: True})
        assert refused(made, kind, 90 * PAGE, **{option: True})
        arena = made(kind, 50 * PAGE, **{option: True})
        fill()
        arena.alloc(50 * PAGE).view[:] = b"x" * (50 * PAGE)
        print(arena.stats().used)
        """,
        kind,
        option,
    )
    assert said == "0\n"


@pytest.mark.parametrize("kind", ["named", "file"])
def test_a_reserved_arena_needs_nothing_more(in_small, kind):
    """Whatever is done in it afterwards, while the file system is full: all tables are there as well."""
    said = in_small(
        4096,
        """
        arena = made(sys.argv[1], "1 MiB", reserve=True)
        fill()
        first = arena.alloc(PAGE, zero=True)
        assert first.resize(arena.size)
        first.view[:] = b"x" * arena.size
        for call in (arena.alloc, arena.empty):
            try:
                call(1)
            except OutOfPages as error:
                assert error.__cause__ is None
            else:
                raise AssertionError("there was a page more")
        first.release()
        del first
        many = [arena.alloc(1) for _ in range(arena.n_pages // 2)]
        for number, buffer in enumerate(many):
            buffer.view[:] = b"y"
            if number % 2:
                buffer.keep(f"key {number}")
        sent = [pickle.dumps(buffer) for buffer in many for _ in range(8)]
        many.clear()
        claimed = [pickle.loads(data) for data in sent]
        sent = arena.dumps(bytearray(50 * PAGE))
        assert arena.loads(sent) == bytes(50 * PAGE)
        pid = os.fork()
        if not pid:
            arena.alloc(10 * PAGE).view[:] = b"z" * (10 * PAGE)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert (arena.reap(), len(arena.keys()), arena.stats().tickets) == (1, 64, 0)
        again = Arena.attach("arena")
        arena.recover()
        again.verify()
        print(again["key 63"].nbytes, again.stats().n_spans)
        """,
        kind,
    )
    assert said == "1 128\n"


def test_an_arena_larger_than_its_file_system_warns_where_it_is_made(in_small):
    program = """
    warnings.simplefilter("always", ArenaSizeWarning)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default", ArenaSizeWarning)
        for name in ("a", "b"):
            Arena.create(name, "8 MiB")
            Arena.create(name + "2", "64 MiB")
        Arena.open("c", "64 MiB")
        Arena.file(FOLDER + "/d", "64 MiB")
        Arena("64 MiB")
        assert [warning.filename for warning in caught] == ["<string>"] * 3
    print(*(warning.message for warning in caught), sep="\\n")
    """
    told = in_small(16 << 10, program).splitlines()
    assert len(told) == 3
    for line in told:
        assert "the file system at /dev/shm has only 16 MiB in all" in line
        for way in ("--shm-size", "Arena(size)", "Arena.file(path, size)"):
            assert way in line


def test_an_arena_that_cannot_be_made_after_a_warning_leaves_nothing(in_small):
    program = """
    warnings.simplefilter("error", ArenaSizeWarning)
    before = len(os.listdir("/proc/self/fd"))
    try:
        Arena.create("a", "64 MiB")
    except ArenaSizeWarning:
        gc.collect()
        print(os.listdir(FOLDER), len(os.listdir("/proc/self/fd")) - before)
    """
    assert in_small(16 << 10, program) == "[] 0\n"
