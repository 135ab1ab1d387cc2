"""Sizes: text or integers become a number of bytes."""

from __future__ import annotations

import pytest

from pagebuddy.memory.sizes import LARGEST_SIZE, bytes_of


@pytest.mark.parametrize(
    ("size", "n_bytes"),
    [
        (1, 1),
        (4096, 4096),
        ("4096", 4096),
        ("4096 bytes", 4096),
        ("4096B", 4096),
        ("64 KiB", 65536),
        ("64kib", 65536),
        ("2GiB", 2 << 30),
        ("  3 MiB ", 3 << 20),
        ("1.5 KiB", 1536),
        ("0.5KiB", 512),
        ("1.125 TiB", 9 << 37),
        ("1 PiB", 1 << 50),
        ("2 EiB", LARGEST_SIZE),
    ],
)
def test_sizes_are_read(size, n_bytes):
    assert bytes_of(size) == n_bytes


@pytest.mark.parametrize(
    ("size", "n_bytes"),
    [
        ("4K", 4 << 10),
        ("512M", 512 << 20),
        ("512m", 512 << 20),
        ("512 Mi", 512 << 20),
        ("512 MiB", 512 << 20),
        ("1.5G", 3 << 29),
        ("1T", 1 << 40),
        ("1Pi", 1 << 50),
        ("1E", 1 << 60),
        ("4 KB", 4_000),
        ("4 kB", 4_000),
        ("1.5 MB", 1_500_000),
        ("64 GB", 64 * 10**9),
        ("1 TB", 10**12),
        ("1PB", 10**15),
        ("1 eb", 10**18),
    ],
)
def test_letters_are_powers_of_1024_and_letters_with_b_are_powers_of_1000(size, n_bytes):
    assert bytes_of(size) == n_bytes


def test_the_error_lists_the_units_that_are_allowed():
    with pytest.raises(
        ValueError, match=r"size is '5 XB'; .*MiB.* or K, M, G.*1024.; KB, MB.*1000"
    ):
        bytes_of("5 XB")


@pytest.mark.parametrize(
    "size",
    [
        "",
        "KiB",
        "four",
        "4 KiBytes",
        "4 iB",
        "4 Bi",
        "4 kbit",
        "-4 KiB",
        "4 KiB 2",
        "1,5 MiB",
        "0x10",
        "1e3",
        ".5 KiB",
        "٤ KiB",
        "4 \N{KELVIN SIGN}iB",
        "4. KiB",
        "4.5.5 KiB",
        "4 .5 KiB",
        "²",
    ],
)
def test_text_that_is_not_a_size_is_refused(size):
    with pytest.raises(ValueError, match="write a number and a unit"):
        bytes_of(size)


@pytest.mark.parametrize("size", ["0.3 KiB", "1.5", "1.0001 KiB", "1.0001 KB"])
def test_fractions_of_a_byte_are_refused(size):
    with pytest.raises(ValueError, match="not a whole number of bytes"):
        bytes_of(size)


@pytest.mark.parametrize("size", [0, -1, "0", "0 GiB"])
def test_sizes_below_one_byte_are_refused(size):
    with pytest.raises(ValueError, match="at least 1"):
        bytes_of(size)


@pytest.mark.parametrize("size", [LARGEST_SIZE + 1, 1 << 200, "3 EiB"])
def test_sizes_above_the_limit_are_refused(size):
    with pytest.raises(ValueError, match="at most"):
        bytes_of(size)


@pytest.mark.parametrize("size", [1.5, None, b"64 KiB", True, [4096]])
def test_other_types_are_refused(size):
    with pytest.raises(TypeError, match="metadata_size"):
        bytes_of(size, "metadata_size")
