"""Large pages: which ones the caller wants, and which ones this machine has.

*Transparent* large pages are a hint that the system follows if it can. Large pages of a given size come
from a pool that the machine's administrator reserves. Used by `options` and `anonymous`.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from pagebuddy.memory.kernel_files import Path, text_in
from pagebuddy.memory.sizes import bytes_of

_POOLS = "/sys/kernel/mm/hugepages"
_TRANSPARENT = "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

MFD_HUGETLB = 0x0004
_SHIFT = 26


class Huge(NamedTuple):
    """The large pages that the caller wants: none, transparent ones, or pages of n_bytes."""

    transparent: bool = False
    n_bytes: int | None = None

    @classmethod
    def asked(cls, huge: object) -> Huge:
        """Read the option `huge`: None, "transparent", or a size. Raises TypeError and ValueError.

        >>> Huge.asked("2 MiB").n_bytes
        2097152
        """
        if huge is None:
            return cls()
        if huge == "transparent":
            return cls(transparent=True)
        if not isinstance(huge, str | int) or isinstance(huge, bool):
            raise TypeError(f"huge is {huge!r}; it must be None, 'transparent' or a size")
        try:
            return cls(n_bytes=bytes_of(huge, "huge"))
        except ValueError:
            raise ValueError(
                f"huge is {huge!r}; it must be None, 'transparent' or a size such as '2 MiB'"
            ) from None

    @property
    def memfd_flags(self) -> int:
        """The flags of memfd_create for these pages."""
        if self.n_bytes is None:
            return 0
        return MFD_HUGETLB | (self.n_bytes.bit_length() - 1) << _SHIFT

    def check_machine(self) -> None:
        """Raise ValueError if this machine does not support these pages."""
        if self.n_bytes is not None and self.n_bytes not in pools():
            sizes = ", ".join(f"{size >> 10} KiB" for size in sorted(pools()))
            there = f"large pages of {sizes}" if sizes else "no large pages"
            raise ValueError(f"huge is {self.n_bytes >> 10} KiB; this machine has {there}")
        if self.transparent and not transparent_is_possible():
            raise ValueError(
                "huge='transparent' has no effect on this machine; an administrator can enable it by "
                f"writing 'advise' to {_TRANSPARENT}"
            )


def pools(folder: Path = _POOLS) -> dict[int, str]:
    """Return the sizes in bytes of the machine's large pages, and the folder of each."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return {}
    return {
        int(name[len("hugepages-") : -len("kB")]) << 10: os.path.join(folder, name)
        for name in names
        if name.startswith("hugepages-") and name.endswith("kB")
    }


def free_in_pool(n_bytes: int, folder: Path = _POOLS) -> int:
    """Return how many bytes are available in the pool of large pages of n_bytes each."""
    pool = pools(folder)[n_bytes]
    free, promised = (
        int(text_in(f"{pool}/{name}")) for name in ("free_hugepages", "resv_hugepages")
    )
    return max(free - promised, 0) * n_bytes


def transparent_is_possible(setting: Path = _TRANSPARENT) -> bool:
    """Return whether shared memory that asks for transparent large pages gets them.

    Since Linux 6.10 each size has its own setting, whose value can be "inherit": use the common one.
    """
    if _chosen(setting) in ("always", "within_size", "advise", "force"):
        return True
    folder, name = os.path.split(setting)
    own = (f"{size}/{name}" for size in pools(folder).values())
    return any(_chosen(path) in ("always", "within_size", "advise") for path in own)


def _chosen(path: Path) -> str:
    """The value in brackets in a setting, or "" if the kernel does not have the setting."""
    try:
        text = text_in(path)
    except OSError:
        return ""
    return text.partition("[")[2].partition("]")[0]
