"""Segments when /dev/shm is full: an error that the original could raise too, and no signal."""

from __future__ import annotations

from tests.arena.small_file_system import in_small as in_small

BEGIN = """
from pagebuddy import shared_memory

def error_of(size):
    before = sorted(os.listdir(FOLDER))
    try:
        segment = shared_memory.SharedMemory("new", create=True, size=size)
    except OSError as error:
        assert sorted(os.listdir(FOLDER)) == before
        return errno.errorcode[error.errno]
    segment.buf[:1] = b"x"
    segment.close()
    segment.unlink()

SMALL, LARGE = 100_000, 1_000_000
"""


def test_a_full_file_system_is_an_error_and_not_a_signal(in_small):
    said = in_small(
        8192,
        BEGIN
        + """
kept = shared_memory.SharedMemory("kept", create=True, size=SMALL)
kept.buf[:5] = b"hello"
for free in (0, 1, 5):
    fill(free)
    print(error_of(SMALL), error_of(LARGE))
    assert bytes(shared_memory.SharedMemory("kept").buf[:5]) == b"hello"
    os.unlink(FOLDER + "/fill")
    print(error_of(SMALL), error_of(LARGE))
""",
    )
    lines = said.splitlines()
    # Later the pages of the first small one are used again.
    assert lines[::2] == ["ENOSPC ENOSPC", "None ENOSPC", "None ENOSPC"]
    assert lines[1::2] == ["None None"] * 3


def test_the_first_use_with_a_full_file_system_is_an_error(in_small):
    said = in_small(
        8192,
        BEGIN
        + """
fill()
print(error_of(SMALL), sorted(os.listdir(FOLDER)))
os.unlink(FOLDER + "/fill")
print(error_of(SMALL))
""",
    )
    assert said.splitlines() == ["ENOSPC ['fill']", "None"]
