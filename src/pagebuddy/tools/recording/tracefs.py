"""The kernel's tracing files: a private instance that records page events, and is gone afterwards."""

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

# In a page's worth of each processor's buffer at a time, so that memory stays bounded.
_PAGES_A_ROUND = 512

_LOST = re.compile(r"^(?:overrun|commit overrun|dropped events): (\d+)$", re.MULTILINE)


def find() -> Path:
    """Where tracefs is mounted. OSError, which says what to do, where it is not."""
    if sys.platform != "linux" or sys.byteorder != "little":
        raise OSError("the kernel's pages can be recorded on little-endian Linux only")
    found = mounted(Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace"))
    if found is None:
        raise FileNotFoundError(
            "tracefs is not mounted, so the kernel cannot be asked; mount it, as root: "
            "mount -t tracefs nodev /sys/kernel/tracing"
        )
    return found


def mounted(mounts: str) -> Path | None:
    """Where the first tracefs is, by the text of `/proc/self/mounts`.

    >>> mounted("proc /proc proc rw 0 0\\nnodev /sys/kernel/tracing tracefs rw 0 0\\n")
    PosixPath('/sys/kernel/tracing')
    """
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) > 2 and fields[2] == "tracefs":
            return Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[1]))
    return None


class Instance:
    """Buffers of our own in tracefs, in which page events are recorded. A context manager.

    Nothing outside its own folder is written to, and at the end the folder is removed, whatever
    happened meanwhile. What a recorder that was killed left behind is removed by the next.

    `buffer_size` is in bytes for each processor. OSError, which says what to do, where this process
    may not record or the kernel cannot.
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
                "run it with sudo"
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
        # One clock for all processors; new events are dropped where old ones fill the buffer, which
        # loses no more than it must; and no names of processes are gathered.
        self._write("trace_clock", "mono")
        self._write("trace_options", "nooverwrite")
        self._write("trace_options", "norecord-cmd")
        try:
            self._write("buffer_size_kb", str(-(-self._buffer_size // 1024)))
        except OSError as error:
            raise OSError(
                f"the kernel has no room for buffers of {self._buffer_size} bytes for each "
                f"processor ({error.strerror}); ask for smaller ones"
            ) from error
        try:
            formats = [EventFormat.read(self._tell(f"{event}/format")) for event in _EVENTS]
            page = PageLayout.read((self._tracefs / "events/header_page").read_text())
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"this kernel does not tell its page events ({error.filename} is missing)"
            ) from error
        self._decoder = Decoder(page, *formats)
        for event in _EVENTS:
            self._write(f"{event}/enable", "1")
        self._processors = sorted((self._folder / "per_cpu").iterdir())
        for processor in self._processors:
            file = processor / "trace_pipe_raw"
            self._buffers.append(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))

    def start(self) -> None:
        """Record from now on."""
        self._write("tracing_on", "1")

    def stop(self) -> None:
        """Record no more. What was recorded can still be read."""
        self._write("tracing_on", "0")

    def read(self) -> list[Read]:
        """Take what each processor has recorded, or the first two mebibytes of it."""
        return [self._read_one(buffer) for buffer in self._buffers]

    def lost(self) -> int:
        """How many events found no room, so far."""
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
    """Remove the instances of recorders that are no more."""
    for folder in instances.iterdir():
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if not folder.name.startswith(_PREFIX) or not pid.isdigit() or Path("/proc", pid).exists():
            continue
        try:
            folder.rmdir()
        except OSError:
            # In use all the same: its process is one that cannot be seen from here.
            continue
