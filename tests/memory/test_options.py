"""Options: each works, or is refused with an error that says what the medium supports."""

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
def test_options_that_a_medium_does_not_support_are_refused(
    make, kind, options, message, left_behind
):
    before = left_behind()
    with pytest.raises(ValueError, match=message):
        make[kind](1 << 16, options)
    assert left_behind() == before


@pytest.mark.parametrize("mode", [0o606, 0o700, 0o400, 0o200, 0, 0o1600, -1])
def test_unsuitable_modes_are_refused(make, mode):
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
def test_options_of_a_wrong_type_are_refused(make, options):
    with pytest.raises(TypeError):
        make["named"](1 << 16, options)


@pytest.mark.parametrize("huge", ["giant", "3 MiB", "4 KB", 0, ""])
def test_invalid_sizes_of_large_pages_are_refused(huge):
    with pytest.raises(ValueError, match="huge"):
        Anonymous.make(1 << 16, Options(huge=huge))


def test_mode_and_page_size_cannot_be_chosen_when_opening(name, tmp_path):
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
def test_large_pages_are_used_or_refused(size, left_behind):
    n_bytes = Huge.asked(size).n_bytes
    if n_bytes not in pools():
        pytest.skip(f"this machine does not support large pages of {size}")
    before = left_behind()
    if free_in_pool(n_bytes) < n_bytes:
        with pytest.raises(OutOfPages, match=f"in large pages of {n_bytes >> 10} KiB") as caught:
            Anonymous.make(4096, Options(huge=size))
        assert caught.value.requested == n_bytes // 4096
        assert isinstance(caught.value.__cause__, OSError)
        assert left_behind() == before
        pytest.skip(f"no large pages of {size} are free here; the option was refused")
    made = Anonymous.make(4096, Options(huge=size))
    assert made.size == n_bytes
    made.memory[0] = 1
    attached = Anonymous.attach(made.fileno())
    assert attached.memory[0] == 1
    assert attached.trim(0, n_bytes) == n_bytes
    assert made.memory[0] == 0


def test_large_pages_that_the_machine_does_not_have_are_refused():
    has = "large pages of" if pools() else "no large pages"
    with pytest.raises(ValueError, match=f"huge is 4 KiB; this machine has {has}"):
        Anonymous.make(1 << 16, Options(huge="4 KiB"))


@pytest.mark.parametrize("maker", ["anonymous", "named"])
def test_transparent_large_pages_are_used_or_refused(make, maker):
    options = Options(huge="transparent")
    if not transparent_is_possible():
        with pytest.raises(ValueError, match="no effect on this machine"):
            make[maker](1 << 22, options)
        pytest.skip("shared memory gets no transparent large pages here; the option was refused")
    assert make[maker](1 << 22, options).size == 1 << 22


def settings(folder, common, own=None):
    """Create files like those of the kernel for transparent large pages."""
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
def test_the_kernels_settings_are_understood(tmp_path, common, own, possible):
    assert transparent_is_possible(settings(tmp_path, common, own)) is possible


def test_a_kernel_can_lack_transparent_large_pages(tmp_path):
    assert not transparent_is_possible(tmp_path / "shmem_enabled")


def test_the_system_is_asked_for_transparent_large_pages(monkeypatch):
    monkeypatch.setattr(huge_module, "transparent_is_possible", lambda: True)
    made = Anonymous.make(1 << 22, Options(huge="transparent"))
    with open("/proc/self/smaps") as lines:
        start = f"{made.address:x}-"
        next(line for line in lines if line.startswith(start))
        assert "hg" in next(row.split() for row in lines if row.startswith("VmFlags:"))


def test_the_pools_of_large_pages_are_read(tmp_path):
    pool = tmp_path / "hugepages-2048kB"
    pool.mkdir()
    (pool / "free_hugepages").write_text("5\n")
    (pool / "resv_hugepages").write_text("2\n")
    assert pools(tmp_path) == {2 << 20: str(pool)}
    assert free_in_pool(2 << 20, tmp_path) == 3 * 2 << 20


def test_the_flags_of_memfd_create_request_large_pages():
    assert Huge.asked("2 MiB").memfd_flags == 0x4 | 21 << 26
    assert Huge.asked("1GiB").memfd_flags == 0x4 | 30 << 26
    assert Huge.asked(None).memfd_flags == Huge.asked("transparent").memfd_flags == 0
