"""How much memory is available, and what happens if there is too little."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys

import pytest

from pagebuddy.errors import OutOfPages
from pagebuddy.memory import room
from pagebuddy.memory.anonymous import Anonymous
from pagebuddy.memory.mapped import touch
from pagebuddy.memory.mapping import Mapping
from pagebuddy.memory.options import Options

MIB = 1 << 20


@pytest.mark.parametrize("kind", ["anonymous", "named", "file"])
@pytest.mark.parametrize("options", [Options(reserve=True), Options(populate=True)], ids=str)
def test_a_request_for_more_than_is_available_fails_at_once(make, kind, options, left_behind):
    before = left_behind()
    with pytest.raises(OutOfPages) as caught:
        make[kind]("15 TiB", options)
    error = caught.value
    assert error.requested == (15 << 40) // error.page_size
    assert 0 < error.largest_free == error.free < error.requested
    assert isinstance(error.__cause__, OSError)
    assert error.__cause__.errno == errno.ENOSPC
    assert "ask for less" in str(error)
    assert left_behind() == before


MEMINFO = "MemTotal: 4000 kB\nMemFree: 10 kB\nMemAvailable: 3000 kB\nSwapFree: 500 kB\n"


def group(folder, limit, used, files):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(limit)
    (folder / "memory.current").write_text(str(used << 10))
    stat = f"anon 7\ninactive_file {files << 10}\nactive_file {files << 10}\nshmem 9\n"
    (folder / "memory.stat").write_text(stat)


@pytest.mark.parametrize(
    ("outer", "inner", "kib"),
    [
        ("max", "max", 3500),
        (str(2000 << 10), "max", 2000 - 1000 + 2 * 30 + 500),
        ("max", str(1500 << 10), 1500 - 400 + 2 * 20 + 500),
        (str(2000 << 10), str(1100 << 10), 1100 - 400 + 2 * 20 + 500),
        (str(900 << 10), "max", 500),
    ],
)
def test_available_memory_is_limited_by_control_groups(tmp_path, outer, inner, kib):
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "cgroup").write_text("4:memory:/old\n0::/outer/inner\n")
    groups = tmp_path / "groups"
    group(groups / "outer", outer, 1000, 30 if outer != str(900 << 10) else 0)
    group(groups / "outer" / "inner", inner, 400, 20)
    assert room.in_memory(tmp_path / "meminfo", tmp_path / "cgroup", groups) == kib << 10


def test_the_name_of_a_control_group_can_contain_any_bytes(tmp_path):
    name = b"\xff\x85\x0b\x1c"
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "cgroup").write_bytes(b"0::/" + name + b"\n")
    group(tmp_path / "groups" / os.fsdecode(name), str(1500 << 10), 400, 20)
    left = room.in_memory(tmp_path / "meminfo", tmp_path / "cgroup", tmp_path / "groups")
    assert left == (1500 - 400 + 2 * 20 + 500) << 10


def test_available_memory_can_be_unknown(tmp_path):
    assert room.in_memory(tmp_path / "meminfo") is None
    (tmp_path / "meminfo").write_text("MemTotal: 4000 kB\n")
    assert room.in_memory(tmp_path / "meminfo") is None
    (tmp_path / "meminfo").write_text(MEMINFO)
    assert room.in_memory(tmp_path / "meminfo", tmp_path / "cgroup") == 3500 << 10


def test_the_available_memory_of_this_machine_is_plausible():
    left = room.in_memory()
    assert left is None or 0 <= left < 1 << 50
    assert room.in_file_system("/") > 0


def test_pages_are_touched_if_the_kernel_cannot_populate(tmp_path):
    """As on Linux before 5.14."""
    fd = os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR)
    os.ftruncate(fd, MIB)
    mapping = Mapping(fd, MIB)
    with pytest.raises(OutOfPages, match="here"):
        touch(mapping, 4096, "here")
    touch(mapping, None, "here")
    assert os.fstat(fd).st_blocks * 512 >= MIB


# A file system of one MiB, which is mounted only for its own process.

SMALL = """
import os, sys
from pagebuddy.errors import OutOfPages
from pagebuddy.memory import room
from pagebuddy.memory.file import File
from pagebuddy.memory.options import Options

folder, option, lies = sys.argv[1:]
if lies == "lies":
    # As if another process had used the free space after the check.
    room.in_file_system = lambda place: None
before = len(os.listdir("/proc/self/fd"))
try:
    File.make(folder + "/store", "4 MiB", Options(**{option: True}))
except OutOfPages as error:
    print(error.requested, type(error.__cause__).__name__, error.__cause__.errno)
assert os.listdir(folder) == []
assert len(os.listdir("/proc/self/fd")) == before
assert folder not in open("/proc/self/maps").read()
assert os.statvfs(folder).f_bfree == os.statvfs(folder).f_blocks
kept = File.make(folder + "/store", "512 KiB", Options(**{option: True}))
kept.memory[:] = bytes(512 << 10)
kept.publish()
print(os.listdir(folder))
"""


def in_small_file_system(folder, *arguments):
    command = [
        *("unshare", "--mount", "--user", "--map-root-user", "sh", "-c"),
        'mount -t tmpfs -o size=1m none "$1" || exit 77; exec "$0" -c "$2" "$1" "$3" "$4"',
        *(sys.executable, str(folder), SMALL, *arguments),
    ]
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("this user may not mount a small file system")
    assert done.stderr == ""
    return done.stdout.split("\n")


@pytest.mark.parametrize("lies", ["tells", "lies"])
@pytest.mark.parametrize(("option", "number"), [("reserve", "28"), ("populate", "14")])
def test_a_full_file_system_raises_out_of_pages_and_nothing_remains(tmp_path, option, number, lies):
    told, files, _ = in_small_file_system(tmp_path, option, lies)
    assert told in (f"1024 OSError {number}", "1024 OSError 28")
    assert lies == "tells" or told == f"1024 OSError {number}"
    assert files == "['store']"


def test_memory_that_cannot_be_mapped_is_refused(left_behind):
    """The size exceeds the address space."""
    before = left_behind()
    with pytest.raises(ValueError, match=r"size is \d+"):
        Anonymous.make(1 << 60)
    assert left_behind() == before
