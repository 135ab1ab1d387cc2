"""A private instance of the kernel's tracing that records page events. Used by `record`."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pagebuddy.tools.recording.event_format import EventFormat, PageLayout
from pagebuddy.tools.recording.event_order import Read
from pagebuddy.tools.recording.ring_buffer import Decoder

if TYPE_CHECKING:
    from typing import Self

_PREFIX = "pagebuddy-"
_EVENTS = ("events/kmem/mm_page_alloc", "events/kmem/mm_page_free")

# Pages read from each processor's buffer at a time, so that memory stays bounded.
_PAGES_A_ROUND = 512

_LOST = re.compile(r"^(?:overrun|commit overrun|dropped events): (\d+)$", re.MULTILINE)


def find() -> Path:
    """The mount point of tracefs. Raises `OSError` with advice if it is not mounted."""
    if sys.platform != "linux" or sys.byteorder != "little":
        raise OSError("recording the kernel's pages needs Linux on a little-endian machine")
    found = mounted(Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace"))
    if found is None:
        raise FileNotFoundError(
            "tracefs is not mounted; mount it as root: mount -t tracefs nodev /sys/kernel/tracing"
        )
    return found


def mounted(mounts: str) -> Path | None:
    """The mount point of the first tracefs in the text of `/proc/self/mounts`.

    >>> mounted("proc /proc proc rw 0 0\\nnodev /sys/kernel/tracing tracefs rw 0 0\\n")
    PosixPath('/sys/kernel/tracing')
    """
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) > 2 and fields[2] == "tracefs":
            return Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[1]))
    return None


class Instance:
    """An instance in tracefs with its own buffers, which records page events. A context manager.

    It writes only in its own folder and removes it at the end. It also removes folders that killed
    recorders left behind. `buffer_size` is in bytes per processor. Entering raises `OSError` with advice
    if this process may not record, or the kernel does not support it.
    """

    def __init__(self, tracefs: Path, buffer_size: int) -> None:
        self._tracefs = tracefs
        self._buffer_size = buffer_size
        self._folder = tracefs
        self._buffers: list[int] = []

    def __enter__(self) -> Self:
        try:
            _remove_left_behind(self._tracefs / "instances")
            self._folder = Path(
                tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=self._tracefs / "instances")
            )
        except PermissionError as error:
            raise PermissionError(
                f"only root may record the kernel's pages ({self._tracefs}: {error.strerror}); "
                "run the command with sudo"
            ) from error
        try:
            self._prepare()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        while self._buffers:
            os.close(self._buffers.pop())
        self._folder.rmdir()

    def _prepare(self) -> None:
        self.stop()
        # One clock for all processors. With a full buffer, drop new events rather than old ones, which
        # loses fewer. Do not record the names of processes.
        self._write("trace_clock", "mono")
        self._write("trace_options", "nooverwrite")
        self._write("trace_options", "norecord-cmd")
        try:
            self._write("buffer_size_kb", str(-(-self._buffer_size // 1024)))
        except OSError as error:
            raise OSError(
                f"the kernel cannot allocate buffers of {self._buffer_size} bytes per processor "
                f"({error.strerror}); use a smaller --buffer"
            ) from error
        try:
            formats = [EventFormat.read(self._tell(f"{event}/format")) for event in _EVENTS]
            page = PageLayout.read((self._tracefs / "events/header_page").read_text())
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"this kernel does not support tracing of page events ({error.filename} is missing)"
            ) from error
        self._decoder = Decoder(page, *formats)
        for event in _EVENTS:
            self._write(f"{event}/enable", "1")
        self._processors = sorted((self._folder / "per_cpu").iterdir())
        for processor in self._processors:
            file = processor / "trace_pipe_raw"
            self._buffers.append(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))

    def start(self) -> None:
        """Start recording."""
        self._write("tracing_on", "1")

    def stop(self) -> None:
        """Stop recording. Recorded events can still be read."""
        self._write("tracing_on", "0")

    def read(self) -> list[Read]:
        """Read the events of each processor, at most 512 pages of its buffer."""
        return [self._read_one(buffer) for buffer in self._buffers]

    def lost(self) -> int:
        """The number of events so far that did not fit the buffers."""
        stats = [(processor / "stats").read_text() for processor in self._processors]
        return sum(int(count) for text in stats for count in _LOST.findall(text))

    def _read_one(self, buffer: int) -> Read:
        pages: list[bytes] = []
        drained = False
        while not drained and len(pages) < _PAGES_A_ROUND:
            try:
                page = os.read(buffer, self._decoder.page.size)
            except BlockingIOError:
                page = b""
            drained = not page
            pages.append(page)
        return Read(self._decoder.decode(b"".join(pages)), drained)

    def _tell(self, file: str) -> str:
        return (self._folder / file).read_text()

    def _write(self, file: str, value: str) -> None:
        (self._folder / file).write_text(value)


def _remove_left_behind(instances: Path) -> None:
    """Remove the instances of recorders that have ended."""
    for folder in instances.iterdir():
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if not folder.name.startswith(_PREFIX) or not pid.isdigit() or Path("/proc", pid).exists():
            continue
        try:
            folder.rmdir()
        except OSError:
            # Still in use, by a process in another pid namespace.
            continue
