"""Options: each works, or is refused by an error that names the medium and what it supports."""

from __future__ import annotations

import pytest

from pagebuddy.errors import OutOfPages
from pagebuddy.memory import huge as huge_module
from pagebuddy.memory.anonymous import Anonymous
from pagebuddy.memory.file import File
from pagebuddy.memory.huge import Huge, free_in_pool, pools, transparent_is_possible
from pagebuddy.memory.named import Named
from pagebuddy.memory.options import Options

REFUSED = [
    (
        "anonymous",
        Options(mode=0o600),
        "anonymous memory does not support mode=0o600; .* sizes such as huge=",
    ),
    (
        "named",
        Options(huge="2 MiB"),
        "named memory does not support huge='2 MiB'; it supports mode, .* huge=",
    ),
    (
        "file",
        Options(huge="1 GiB"),
        "a file does not support huge='1 GiB'; it supports mode, populate, reserve",
    ),
    ("file", Options(huge="transparent"), "a file does not support huge='transparent'"),
    (
        "given",
        Options(reserve=True),
        "memory of the caller does not support reserve=True; it supports no options",
    ),
    ("given", Options(populate=True), "does not support populate=True"),
    ("given", Options(huge="transparent"), "does not support huge='transparent'"),
    ("given", Options(mode=0o600), "does not support mode=0o600"),
]


@pytest.mark.parametrize(("kind", "options", "message"), REFUSED)
def test_what_a_medium_does_not_support_is_refused(make, kind, options, message, left_behind):
    before = left_behind()
    with pytest.raises(ValueError, match=message):
        make[kind](1 << 16, options)
    assert left_behind() == before


@pytest.mark.parametrize("mode", [0o606, 0o700, 0o400, 0o200, 0, 0o1600, -1])
def test_modes_that_make_no_sense(make, mode):
    with pytest.raises(ValueError, match="mode"):
        make["named"](1 << 16, Options(mode=mode))


@pytest.mark.parametrize(
    "options",
    [
        Options(reserve=1),
        Options(populate="yes"),
        Options(huge=2.0),
        Options(huge=True),
        Options(mode="600"),
    ],
    ids=repr,
)
def test_wrong_types(make, options):
    with pytest.raises(TypeError):
        make["named"](1 << 16, options)


@pytest.mark.parametrize("huge", ["giant", "3 MiB", "4 KB", 0, ""])
def test_large_pages_of_no_such_size(huge):
    with pytest.raises(ValueError, match="huge"):
        Anonymous.make(1 << 16, Options(huge=huge))


def test_options_of_making_are_refused_when_opening(name, tmp_path):
    Named.make(name, 4096).publish()
    with pytest.raises(ValueError, match="named memory that exists does not support mode=0o600"):
        Named.open(name, Options(mode=0o600))
    with pytest.raises(ValueError, match="an open descriptor does not support huge"):
        Anonymous.attach(0, Options(huge="2 MiB"))


def test_opened_memory_can_be_reserved_and_populated(name, tmp_path):
    for medium, again in [
        (Named.make(name, 1 << 20), lambda options: Named.open(name, options)),
        (
            File.make(tmp_path / "store", 1 << 20),
            lambda options: File.open(tmp_path / "store", options),
        ),
    ]:
        medium.publish()
        opened = again(Options(reserve=True, populate=True))
        assert opened.identity == medium.identity
        assert bytes(opened.memory) == bytes(1 << 20)


@pytest.mark.parametrize("size", ["2 MiB", "1 GiB"])
def test_large_pages_where_the_machine_has_some_free(size, left_behind):
    n_bytes = Huge.asked(size).n_bytes
    if n_bytes not in pools():
        pytest.skip(f"this machine knows no large pages of {size}")
    before = left_behind()
    if free_in_pool(n_bytes) < n_bytes:
        with pytest.raises(OutOfPages, match=f"in large pages of {n_bytes >> 10} KiB") as caught:
            Anonymous.make(4096, Options(huge=size))
        assert caught.value.requested == n_bytes // 4096
        assert isinstance(caught.value.__cause__, OSError)
        assert left_behind() == before
        pytest.skip(f"no large pages of {size} are set aside here; that was refused")
    made = Anonymous.make(4096, Options(huge=size))
    assert made.size == n_bytes
    made.memory[0] = 1
    attached = Anonymous.attach(made.fileno())
    assert attached.memory[0] == 1
    assert attached.trim(0, n_bytes) == n_bytes
    assert made.memory[0] == 0


def test_large_pages_of_a_size_that_the_machine_has_not():
    with pytest.raises(ValueError, match="huge is 4 KiB; this machine has large pages of"):
        Anonymous.make(1 << 16, Options(huge="4 KiB"))


@pytest.mark.parametrize("maker", ["anonymous", "named"])
def test_transparent_large_pages_are_had_or_refused(make, maker):
    options = Options(huge="transparent")
    if not transparent_is_possible():
        with pytest.raises(ValueError, match="no effect on this machine"):
            make[maker](1 << 22, options)
        pytest.skip("the system gives shared memory no transparent large pages; that was refused")
    assert make[maker](1 << 22, options).size == 1 << 22


def settings(folder, common, own=None):
    """Files as the kernel has them for its transparent large pages."""
    (folder / "shmem_enabled").write_text(common)
    if own is not None:
        (folder / "hugepages-2048kB").mkdir()
        (folder / "hugepages-2048kB" / "shmem_enabled").write_text(own)
    return folder / "shmem_enabled"


@pytest.mark.parametrize(
    ("common", "own", "possible"),
    [
        ("always within_size [advise] never deny force", None, True),
        ("always within_size advise [never] deny force", None, False),
        ("always within_size advise [never] deny force", "always [inherit] advise never", False),
        ("always within_size advise [never] deny force", "always inherit [advise] never", True),
        ("always within_size advise never [deny] force", "always [inherit] advise never", False),
    ],
)
def test_what_the_kernels_settings_mean(tmp_path, common, own, possible):
    assert transparent_is_possible(settings(tmp_path, common, own)) is possible


def test_a_kernel_without_transparent_large_pages(tmp_path):
    assert not transparent_is_possible(tmp_path / "shmem_enabled")


def test_a_transparent_wish_is_told_to_the_system(monkeypatch):
    monkeypatch.setattr(huge_module, "transparent_is_possible", lambda: True)
    made = Anonymous.make(1 << 22, Options(huge="transparent"))
    with open("/proc/self/smaps") as lines:
        start = f"{made.address:x}-"
        next(line for line in lines if line.startswith(start))
        assert "hg" in next(row.split() for row in lines if row.startswith("VmFlags:"))


def test_a_pool_of_large_pages(tmp_path):
    pool = tmp_path / "hugepages-2048kB"
    pool.mkdir()
    (pool / "free_hugepages").write_text("5\n")
    (pool / "resv_hugepages").write_text("2\n")
    assert pools(tmp_path) == {2 << 20: str(pool)}
    assert free_in_pool(2 << 20, tmp_path) == 3 * 2 << 20


def test_the_flags_that_ask_for_large_pages():
    assert Huge.asked("2 MiB").memfd_flags == 0x4 | 21 << 26
    assert Huge.asked("1GiB").memfd_flags == 0x4 | 30 << 26
    assert Huge.asked(None).memfd_flags == Huge.asked("transparent").memfd_flags == 0
