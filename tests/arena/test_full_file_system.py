"""Operations on a file system that is full: an error that says so, never a signal."""

from __future__ import annotations

import signal

import pytest


@pytest.mark.parametrize("kind", ["named", "file"])
def test_the_directory_grows_with_its_keys_until_there_is_no_room(in_small, kind):
    """An arena with room for a million keys takes no more room than one with a few."""
    said = in_small(
        1024,
        """
        def kept():
            keys = [f"key {number}" for number in range(len(buffers))]
            assert sorted(keys) == arena.keys()
            assert all(key in arena for key in keys)
            assert "absent" not in arena

        fill(100)
        arena = made(sys.argv[1], "64 MiB", keys=1 << 20)
        # The words of pages, so that from now on only the directory grows.
        buffers = [arena.alloc(1) for _ in range(3000)]
        spare = arena.alloc(1)
        left = os.statvfs(FOLDER).f_bfree
        assert left > 10
        fill(10)
        refusals = 0
        for free in (10, 0, 0, 2, 0):
            os.truncate(FOLDER + "/fill", 0)
            fill(free)
            pid = os.fork()
            if not pid:
                # It does not know what its parent backed.
                known = len(arena.keys())
                for buffer in buffers[known:]:
                    if refused(buffer.keep, f"key {known}"):
                        break
                    known += 1
                assert refused(spare.keep, "one more") and not spare.kept
                arena.verify()
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
            n = len(arena.keys())
            assert all(buffer.kept for buffer in buffers[:n])
            assert not any(buffer.kept for buffer in buffers[n:])
            print(n)
        # Nothing that exists needs more room.
        arena._attachment.memory[A_BUSY] = 2 << 32 | OP_ALLOC
        arena.stats()
        arena.verify()
        arena.recover()
        again = Arena.attach("arena")
        again["key 5"].unkeep()
        spare.keep("key 7", replace=True)
        assert again["key 7"].offset == spare.offset
        buffers[5].keep("key 5")
        for number in range(n):
            arena[f"key {number}"].unkeep()
        arena.verify()
        assert arena.keys() == []
        """,
        kind,
    )
    numbers = [int(number) for number in said.split()]
    # 32 entries fit in a page, and need not begin with one. The first is never used.
    assert 9 * 32 <= 1 + numbers[0] <= 11 * 32
    assert numbers[1] == numbers[2] == numbers[0]
    assert numbers[3] - numbers[2] == 64
    assert numbers[4] == numbers[3]


def test_who_touches_what_is_not_there_is_the_only_one_to_end(in_small, engine):
    """Without `reserve` that is how it ends: at any moment, by a signal. The others go on."""
    said = in_small(
        1024,
        """
        arena = made("named", "64 MiB")
        mine = arena.alloc(5, keep="mine")
        mine.view[:] = b"hello"
        for free in (0, 1, 2, 3, 5, 8, 30):
            fill(free)
            pid = os.fork()
            if not pid:
                held = []
                while True:
                    held.append(arena.alloc(3 * PAGE))
                    held[-1].view[::PAGE] = b"xxx"
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            os.unlink(FOLDER + "/fill")
            assert arena.reap() == 1
            arena.verify()
            assert (arena.stats().used, bytes(mine.view)) == (1, b"hello")
            arena.trim()
        """,
    )
    assert said.split() == [str(-signal.SIGBUS)] * 7


# What is done in an arena that its file system has no room for any more, each with what it shows.
OPERATIONS = {
    "small": "keep(arena.alloc(1))",
    "large": "keep(arena.alloc('100 MiB'))",
    "all": "keep(arena.alloc('900 MiB'))",
    "aligned": "keep(arena.alloc(1, align='64 MiB'))",
    "empty": "keep(arena.empty(1000))",
    "grow": "assert second.resize('500 MiB')",
    "shrink": "assert second.resize(PAGE)",
    "end": "second.release()",
    "key": "first.keep('key')",
    "object": "arena.objects['key'] = bytearray(50 * PAGE)",
    "no object": "assert not arena.objects and 'key' not in arena.objects",
    "handle": "keep(pickle.dumps(first))",
    "dumps": "keep(arena.dumps(bytearray(50 * PAGE)))",
    "zero": "keep(arena.alloc('400 KiB', zero=True))",
    "zeros": "keep(arena.zeros(10_000))",
    "full": "keep(arena.full(10_000, 1.0))",
    "copy": "keep(arena.copy(range(10_000)))",
    "deepcopy": "keep(copy.deepcopy(first))",
    "look": "arena.stats(), list(arena.buffers()), arena.processes()",
    "keys": "assert arena.keys() == [] and 'key' not in arena",
    "found": "keep(arena.buffer_at(first.offset)), keep(first.__copy__())",
    "reap": "arena.reap(unclaimed_after=0)",
    "trim": "arena.trim()",
    "verify": "arena.verify()",
    "recover": "arena.recover()",
    "across": "keep(arena.alloc(2 << 30))",
    "recover after a refusal": "first.resize('2 GiB'); arena.recover()",
    "recover all": "arena._attachment.memory[A_TOUCHED] = arena.n_pages + 64; arena.recover()",
    "take over": "arena._attachment.memory[A_BUSY] = 2 << 32 | OP_ALLOC; arena.stats()",
    "attach first": "first = second = arena = 0; gc.collect(); arena = made(kind, '3 GiB')",
    "attach": "Arena.attach('arena').stats()",
    "fork": "assert os.fork() or os._exit(0) or os.wait()[1] == 0",
}


@pytest.mark.one_engine
@pytest.mark.parametrize("kind", ["named", pytest.param("file", marks=pytest.mark.soak)])
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_no_operation_is_ended_by_a_signal(in_small, kind, operation):
    """Whatever the room left: it works, or is an error that changes nothing, its cause the system's."""
    said = in_small(
        4096,
        """
        kind, operation = sys.argv[1:]
        tried = refusals = 0
        kept = []
        keep = kept.append

        def figures():
            rows = [(row.offset, row.nbytes, row.key, row.tickets) for row in arena.buffers()]
            return arena.stats().used, rows, arena.keys()

        for free in (*range(60), *range(60, 900, 20)):
            arena = made(kind, "3 GiB")
            # Between the two there are pages that were used before, as far as anybody can know.
            first, second = arena.alloc(PAGE), arena.alloc("30 MiB")
            fill(free)
            before = figures()
            try:
                exec(operation)
            except OutOfPages as error:
                assert isinstance(error.__cause__, OSError), error
                assert error.__cause__.errno == errno.ENOSPC
                assert error.requested > error.free
                assert figures() == before
                refusals += 1
            else:
                # Once there is enough for it there always is.
                tried += 1
            os.unlink(FOLDER + "/fill")
            arena.verify()
            kept.clear()
            arena.verify()
            arena.recover()
            arena.verify()
            arena.unlink()
            del arena, first, second
            gc.collect()
            if tried == 2:
                break
        print(tried)
        """,
        kind,
        operation,
    )
    assert said == "2\n"


@pytest.mark.parametrize("page_size", [4096, 65536])
@pytest.mark.parametrize("who", ["this one", "a child"])
def test_what_was_stored_to_is_asked_for_again_once_it_was_given_back(in_small, who, page_size):
    """Whoever gives it back, and though the very same pages are had again."""
    said = in_small(
        1024,
        """
        who, page_size = sys.argv[1], int(sys.argv[2])
        arena = made("named", "64 MiB", page_size=page_size)
        arena.verify()
        data = bytearray(20 * PAGE)
        offset = arena.buffer_of(arena.copy(data)).offset
        fill()
        for _ in range(3):
            assert arena.buffer_of(arena.copy(data)).offset == offset
        longer = b"x" * (30 * PAGE)
        assert refused(arena.copy, bytearray(longer))
        pid = os.fork() if who == "a child" else 0
        if pid == 0:
            assert arena.trim() >= 20 * PAGE
        if who == "a child":
            if pid == 0:
                os._exit(0)
            assert os.wait()[1] == 0
        fill()
        assert refused(arena.copy, data)
        os.unlink(FOLDER + "/fill")
        assert bytes(arena.copy(bytearray(longer))) == longer
        arena.verify()
        print(arena.stats().used)
        """,
        who,
        page_size,
    )
    assert said == "0\n"


@pytest.mark.parametrize("kind", ["named", "file"])
def test_a_refused_dumps_leaves_no_cycle_with_an_exported_view(in_small, kind):
    """CPython 3.11 crashes when the garbage collector clears such a memoryview."""
    said = in_small(
        1024,
        """
        arena = made(sys.argv[1], "64 MiB")
        gc.collect()
        gc.disable()
        with contextlib.suppress(OutOfPages):
            arena.dumps(memoryview(bytes(8 << 20)))
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        print([kind for kind in map(type, gc.garbage) if kind is memoryview])
        gc.set_debug(0)
        gc.garbage.clear()
        """,
        kind,
    )
    assert said == "[]\n"


@pytest.mark.parametrize("kind", ["named", "file"])
def test_the_error_says_which_file_system_is_full_and_three_ways_out(in_small, kind):
    """As in a container, where /dev/shm has 64 MiB."""
    program = f"""
    arena = made({kind!r}, "1 GiB")
    calls = {{
        "zeros": lambda: arena.zeros(20 << 20, "u1"),
        "full": lambda: arena.full(20 << 20, 7, "u1"),
        "copy": lambda: arena.copy(bytearray(20 << 20)),
        "alloc": lambda: arena.alloc(20 << 20, zero=True),
        "dumps": lambda: arena.dumps(memoryview(bytes(20 << 20))),
    }}
    for call in calls:
        try:
            calls[call]()
        except OutOfPages as error:
            assert error.__cause__.errno == errno.ENOSPC
            print(call, str(pickle.loads(pickle.dumps(error))).replace("\\n", " "))
        assert arena.stats().used == 0
    """
    lines = in_small(16 << 10, program).splitlines()
    assert [line.split()[0] for line in lines] == ["zeros", "full", "copy", "alloc", "dumps"]
    for told in lines:
        assert told.split(" ", 1)[1].startswith("no room for "), told
        assert "the file system at /dev/shm has too little room: it has 16 MiB, of which " in told
        for way in ("--shm-size", "Arena(size)", "Arena.file(path, size)"):
            assert way in told
