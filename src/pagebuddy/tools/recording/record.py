"""Recording the running kernel's page stream while a command runs."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from time import monotonic

from pagebuddy.tools.recording import tracefs
from pagebuddy.tools.recording.child import Child
from pagebuddy.tools.recording.event_order import EventOrder
from pagebuddy.tools.recording.trace_writer import TraceWriter

BUFFER_SIZE = 8 << 20

# Short of what fills a buffer: four million events a second on one processor.
_INTERVAL = 0.05


@dataclass(frozen=True)
class Recording:
    """What was recorded. Time in seconds, size in bytes.

    `lost` events found no room in the kernel's buffers; `failed` allocations had no page to give.
    Neither has a line in the trace, but a note of the number. `interrupted` if a signal came while
    the command ran; `exit_code` is the command's.
    """

    trace: str
    allocs: int
    frees: int
    failed: int
    lost: int
    seconds: float
    bytes: int
    interrupted: bool
    exit_code: int

    @property
    def events(self) -> int:
        """The events in the trace."""
        return self.allocs + self.frees

    def as_dict(self) -> dict[str, object]:
        """All figures by name, ready for JSON."""
        return {"events": self.events} | asdict(self)


def record(
    path: str | os.PathLike[str], command: list[str], *, buffer_size: int = BUFFER_SIZE
) -> Recording:
    """Record into a file what pages the kernel gives out and takes back while a command runs.

    Every process's, and the recorder's own. `buffer_size` is in bytes for each processor. Needs
    root and a mounted tracefs, which is left as it was found. However the command ends, what was
    recorded until then is a whole trace. Where it cannot be recorded or the command cannot be
    started nothing is changed: OSError, ValueError for a path that is no file's, `NotStarted`.

    Cost: 0.9 µs an event beside the command; memory for two mebibytes of each processor's events.
    """
    writer = TraceWriter(path)
    with Child(command) as child, writer, tracefs.Instance(tracefs.find(), buffer_size) as instance:
        in_order = EventOrder()

        def follow() -> bool:
            """Write down what there is to read; is there more?"""
            round_ = instance.read()
            writer.write(in_order.add(round_))
            return not all(read.drained for read in round_)

        instance.start()
        since = monotonic()
        child.start()
        behind = False
        while not child.ended(0 if behind else _INTERVAL):
            behind = follow()
        instance.stop()
        seconds = monotonic() - since
        while follow():
            pass
        writer.write(in_order.rest())
        writer.write_lost(instance.lost())
        size = writer.publish()
    return Recording(
        trace=os.fspath(path),
        allocs=writer.n_allocs,
        frees=writer.n_frees,
        failed=writer.failed,
        lost=writer.lost,
        seconds=seconds,
        bytes=size,
        interrupted=child.interrupted,
        exit_code=child.exit_code,
    )
