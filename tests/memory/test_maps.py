"""The system's list of mappings, in which paths can contain any bytes."""

from __future__ import annotations

import pytest

from pagebuddy.memory.maps import is_shared_at

MAPS = (
    b"1000-3000 rw-s 00000000 00:01 7 /dev/shm/\xff\x0b\x1c\r\xc2\x85path\n"
    b"5000-6000 rw-p 00000000 00:00 0\n"
)


@pytest.mark.parametrize(
    ("address", "n_bytes", "shared"),
    [
        (0x1000, 1, True),
        (0x2FFF, 1, True),
        (0x3000, 8, False),
        (0x5000, 8, False),
        (0, 0x1001, True),
    ],
)
def test_shared_mappings_are_found(tmp_path, address, n_bytes, shared):
    maps = tmp_path / "maps"
    maps.write_bytes(MAPS)
    assert is_shared_at(address, n_bytes, maps) is shared


def test_memory_counts_as_shared_if_the_system_does_not_tell(tmp_path):
    assert is_shared_at(0x1000, 1, tmp_path / "none")
