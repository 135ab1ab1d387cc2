"""Large pages: what was asked for, and what this machine has.

Transparent ones are advice that the system follows where it can. Those of a given size come from a pool
that the machine's owner sets aside.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pagebuddy.memory.sizes import bytes_of

_POOLS = Path("/sys/kernel/mm/hugepages")
_TRANSPARENT = Path("/sys/kernel/mm/transparent_hugepage/shmem_enabled")

MFD_HUGETLB = 0x0004
_SHIFT = 26


@dataclass(frozen=True)
class Huge:
    """What is asked of large pages: nothing, transparent ones, or ones of n_bytes."""

    transparent: bool = False
    n_bytes: int | None = None

    @classmethod
    def asked(cls, huge: object) -> Huge:
        """Read the option: None, "transparent", or a size.

        Raises TypeError and ValueError.

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
                f"huge is {huge!r}; it must be None, 'transparent' or a size, '2 MiB' for example"
            ) from None

    @property
    def memfd_flags(self) -> int:
        """The flags of memfd_create that ask for it."""
        if self.n_bytes is None:
            return 0
        return MFD_HUGETLB | (self.n_bytes.bit_length() - 1) << _SHIFT

    def check_machine(self) -> None:
        """Refuse what this machine cannot have at all. Raises ValueError."""
        if self.n_bytes is not None and self.n_bytes not in pools():
            sizes = ", ".join(f"{size >> 10} KiB" for size in sorted(pools()))
            raise ValueError(
                f"huge is {self.n_bytes >> 10} KiB; this machine has large pages of {sizes or 'no size'}"
            )
        if self.transparent and not transparent_is_possible():
            raise ValueError(
                "huge='transparent' would have no effect on this machine; "
                f"its owner may write 'advise' into {_TRANSPARENT}"
            )


def pools(folder: Path = _POOLS) -> dict[int, Path]:
    """Return the sizes in bytes of the machine's large pages, and the folders that describe them."""
    found = folder.glob("hugepages-*kB")
    return {int(path.name[len("hugepages-") : -len("kB")]) << 10: path for path in found}


def free_in_pool(n_bytes: int, folder: Path = _POOLS) -> int:
    """Return how many bytes of large pages of a size can be had."""
    pool = pools(folder)[n_bytes]
    free, promised = (
        int((pool / name).read_text()) for name in ("free_hugepages", "resv_hugepages")
    )
    return max(free - promised, 0) * n_bytes


def transparent_is_possible(setting: Path = _TRANSPARENT) -> bool:
    """Return whether the system gives transparent large pages to shared memory that asks.

    Since Linux 6.10 each size has a setting of its own, which may leave the choice to the one for all.
    """
    if _chosen(setting) in ("always", "within_size", "advise", "force"):
        return True
    own = setting.parent.glob("hugepages-*/" + setting.name)
    return any(_chosen(path) in ("always", "within_size", "advise") for path in own)


def _chosen(path: Path) -> str:
    """The word in brackets in a setting, or nothing where the kernel has no such setting."""
    try:
        text = path.read_text()
    except OSError:
        return ""
    return text.partition("[")[2].partition("]")[0]
