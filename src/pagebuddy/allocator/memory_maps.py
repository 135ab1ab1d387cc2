"""Read the RAM out of memory maps as Linux writes them. `PageRanges` imports this when it is needed.

Every reader returns [start, end) pairs of byte addresses, in address order, without overlap. `ranges`
turns them into pages.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

Interval = tuple[int, int]

ADDRESS_LIMIT = 1 << 64
"""One more than the highest byte address that a memory map can name."""

_HEX = r"([0-9a-fA-F]+)"
_IOMEM_LINE = re.compile(rf"(\s*){_HEX}-{_HEX} : (.*)")
_E820_MARK = re.compile(r"BIOS-e820:\s*(.*)")
_E820_ENTRY = re.compile(rf"\[mem 0x{_HEX}-0x{_HEX}\]\s*(\S.*)")
_E820_GAP = re.compile(rf"\[gap 0x{_HEX}-0x{_HEX}\].*")
_E820_OLD_ENTRY = re.compile(rf"{_HEX} - {_HEX} \((.*)\)")
_MEMMAP_ADDRESS = re.compile(rf"0x{_HEX}")

# Linux wrote "usable" into its log until it adopted the word of /proc/iomem.
_E820_RAM = ("usable", "System RAM")


def iomem_ram(text: str) -> list[Interval]:
    """Return the RAM in the text of `/proc/iomem`: its unindented "System RAM" lines.

    Indented lines lie inside an unindented one and do not count. Raises `ValueError` for a line that
    cannot be read, for lines that overlap, if there is no RAM, and if all addresses are zero, as a
    reader without privileges sees them.

    >>> iomem_ram("00001000-0009fbff : System RAM\\n0009fc00-000fffff : Reserved\\n")
    [(4096, 654336)]
    """
    ram: list[Interval] = []
    n_lines = n_zeros = 0
    for number, line in _lines(text):
        match = _IOMEM_LINE.fullmatch(line)
        if match is None:
            raise _malformed(number, line, "00100000-bfffffff : System RAM")
        indent, start, last, name = match.groups()
        interval = _interval(f"line {number}", int(start, 16), int(last, 16) + 1)
        n_lines += 1
        n_zeros += interval == (0, 1)
        if name == "System RAM" and not indent:
            ram.append(interval)
    if n_lines and n_zeros == n_lines:
        raise ValueError(
            "every address in this memory map is zero: /proc/iomem hides addresses from readers "
            "without CAP_SYS_ADMIN; read it as root, for instance `sudo cat /proc/iomem`"
        )
    return _in_order(ram, "an unindented line that ends in ' : System RAM'")


def e820_ram(text: str) -> list[Interval]:
    """Return the RAM in a kernel's log: its "BIOS-e820:" lines marked usable.

    Reads both forms that Linux has used: `[mem 0x…-0x…] usable` (or `System RAM`), and before 2012
    `… - … (usable)`, whose end is exclusive. Other lines of the log do not count. Raises `ValueError`
    for a line that cannot be read, for entries that overlap, and if there is no RAM.

    >>> e820_ram("[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable")
    [(0, 654336)]
    >>> e820_ram(" BIOS-e820: 0000000000000000 - 000000000009fc00 (usable)")
    [(0, 654336)]
    """
    ram: list[Interval] = []
    for number, line in _lines(text):
        mark = _E820_MARK.search(line)
        if mark is None or _E820_GAP.fullmatch(mark[1]):
            continue
        if match := _E820_ENTRY.fullmatch(mark[1]):
            inclusive = 1
        elif match := _E820_OLD_ENTRY.fullmatch(mark[1]):
            inclusive = 0
        else:
            raise _malformed(number, line, "BIOS-e820: [mem 0x00100000-0xbfffffff] usable")
        start, end, kind = match.groups()
        interval = _interval(f"line {number}", int(start, 16), int(end, 16) + inclusive)
        if kind in _E820_RAM:
            ram.append(interval)
    return _in_order(ram, "a line like 'BIOS-e820: [mem 0x00100000-0xbfffffff] usable'")


def memmap_ram(folder: str | os.PathLike[str]) -> list[Interval]:
    """Return the RAM in a folder like `/sys/firmware/memmap`: its entries of type "System RAM".

    Each entry is a numbered folder with the files `start`, `end` (inclusive) and `type`. Raises
    `ValueError` for a file that does not contain an address, for entries that overlap, and if there is
    no RAM; `OSError` if a file is missing or cannot be read.
    """
    root = Path(folder)
    if not root.exists():
        raise FileNotFoundError(
            errno.ENOENT,
            "no firmware memory map here: not every kernel provides one; use /proc/iomem instead",
            str(root),
        )
    ram: list[Interval] = []
    for entry in root.iterdir():
        if entry.name.isdecimal() and _content(entry / "type") == "System RAM":
            start, last = _address(entry / "start"), _address(entry / "end")
            ram.append(_interval(str(entry), start, last + 1))
    return _in_order(ram, f"a numbered folder in {root} whose file type says 'System RAM'")


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, without trailing white space, with their numbers from 1."""
    if not isinstance(text, str):
        raise TypeError(
            f"the text of a memory map must be a str, not {type(text).__name__}; read the file as text"
        )
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line.rstrip()


def _malformed(number: int, line: str, example: str) -> ValueError:
    return ValueError(
        f"line {number} of the memory map is {line!r}; expected a line like {example!r}"
    )


def _content(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").strip()


def _address(path: Path) -> int:
    content = _content(path)
    match = _MEMMAP_ADDRESS.fullmatch(content)
    if match is None:
        raise ValueError(f"{path} contains {content!r}; expected an address such as '0x9fbff'")
    return int(match[1], 16)


def _interval(where: str, start: int, end: int) -> Interval:
    if not start < end <= ADDRESS_LIMIT:
        raise ValueError(
            f"{where} of the memory map goes from {start:#x} up to but not including {end:#x}; "
            "an entry must contain at least one byte, and addresses have 64 bits"
        )
    return start, end


def _in_order(ram: list[Interval], sought: str) -> list[Interval]:
    if not ram:
        raise ValueError(f"no RAM in this memory map; expected {sought}")
    ram.sort()
    for (start, end), (next_start, next_end) in pairwise(ram):
        if next_start < end:
            raise ValueError(
                f"RAM from {start:#x} to {end - 1:#x} and RAM from {next_start:#x} to "
                f"{next_end - 1:#x} overlap in the memory map; give one map only, of one boot"
            )
    return ram
