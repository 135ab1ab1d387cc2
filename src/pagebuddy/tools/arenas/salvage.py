"""Finds buffers from the records alone, even if all else is damaged, and saves them. Used by `check`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np

from pagebuddy.arena.looking.snapshot import Snapshot
from pagebuddy.core.words import FIRST_NODE
from pagebuddy.sharing.joining.listing import key_in
from pagebuddy.sharing.words import (
    ENTRY_BYTES,
    ENTRY_GENERATION,
    ENTRY_KEY,
    ENTRY_NODE,
    ENTRY_STATE,
    ENTRY_WORDS,
    KEY_WORDS,
)

_CHUNK = 1 << 20


class Found(NamedTuple):
    """A live buffer, according to its record; offset and nbytes in bytes, key as in `BufferRow`.

    It is `doubtful` if some of its pages are missing or also in another buffer, or if only the directory
    of kept buffers contains it.
    """

    offset: int
    n_pages: int
    nbytes: int
    key: str | None
    doubtful: bool


def buffers_in(snapshot: Snapshot) -> list[Found]:
    """The buffers with a possible record, by address; then those only in the directory.

    Reads nothing else of the engine's metadata.
    """
    layout = snapshot.layout
    words = np.frombuffer(snapshot.words, np.uint64)
    first = layout.metadata_at + layout.geometry.records_at + FIRST_NODE
    links = words[first : first + layout.n_pages]
    pages = np.flatnonzero(links >> np.uint64(63))
    records = links[pages]
    n = (records >> np.uint64(32) & np.uint64(0x7FFF_FFFF)).astype(np.int64)
    possible = (n > 0) & (pages + n <= layout.n_pages)
    pages, n, records = pages[possible], n[possible], records[possible]
    ends = np.maximum.accumulate(pages + n)
    inside = np.zeros(pages.size, bool)
    inside[1:] = pages[1:] < ends[:-1]
    # Of two buffers that overlap, both are doubtful.
    inside[:-1] |= inside[1:]
    there = (layout.n_bytes - snapshot.missing - layout.data_at) // layout.page_size
    inside |= pages + n > there
    kept = _kept(words[layout.entries_at : layout.tickets_at])
    size = layout.page_size
    found = []
    for page, count, record, doubtful in zip(
        pages.tolist(), n.tolist(), records.tolist(), inside.tolist(), strict=True
    ):
        key, nbytes = kept.pop((page + FIRST_NODE, record & 0xFFFF_FFFF), (None, count * size))
        found.append(Found(page * size, count, min(nbytes, count * size), key, doubtful))
    for (node, _), (key, nbytes) in sorted(kept.items()):
        page, count = node - FIRST_NODE, -(-nbytes // size)
        if page >= 0 and 0 < count <= layout.n_pages - page:
            found.append(Found(page * size, count, nbytes, key, True))
    return found


def _kept(
    entries: np.ndarray[tuple[int], np.dtype[np.uint64]],
) -> dict[tuple[int, int], tuple[str, int]]:
    """The directory of kept buffers: (node, generation) to key and size in bytes."""
    table = entries.reshape(-1, ENTRY_WORDS)
    kept = {}
    for entry in table[table[:, ENTRY_STATE] != 0]:
        key, _ = key_in(entry[ENTRY_KEY : ENTRY_KEY + KEY_WORDS].tobytes())
        place = int(entry[ENTRY_NODE]), int(entry[ENTRY_GENERATION])
        kept[place] = key, int(entry[ENTRY_BYTES])
    return kept


def save(snapshot: Snapshot, buffers: Iterable[Found], folder: Path) -> int:
    """Write each buffer into a file named by its offset and key; return the number of files.

    Creates the folder. Raises `FileExistsError` rather than overwrite a file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for buffer in buffers:
        # A key may be any text, such as '../x'.
        key = f"-{quote(buffer.key, safe='')}" if buffer.key else ""
        with open(folder / f"{buffer.offset:#x}{key}", "xb") as file:
            at = snapshot.layout.data_at + buffer.offset
            end = at + buffer.nbytes
            while at < end and (data := os.pread(snapshot.fd, min(_CHUNK, end - at), at)):
                file.write(data)
                at += len(data)
        count += 1
    return count
