"""Recording an arena: the buffers that this process begins and ceases to hold, as a trace in bytes."""

from __future__ import annotations

import atexit
import fcntl
import os
import stat
import time
from typing import TYPE_CHECKING, Any

from pagebuddy.sharing.words import OP_RECORD, TAPE_BLOCK

if TYPE_CHECKING:
    from typing import Self

HEADER = b"op,id,bytes"

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
# A thread writes no more than a tape at a time; whoever waits longer than that has a disk that hangs.
_PATIENCE = 30.0
_PAUSE = 0.001


class ArenaRecording:
    """A recording of an arena on its way into a file; made by `Arena.record`, which tells all about it.

    A context manager. `path` is the file's; `events` are its lines so far, and `lost` those that found
    no room because writing took too long.

    >>> import tempfile
    >>> from pagebuddy import Arena
    >>> from pagebuddy.tools.traces.trace import Trace
    >>> arena = Arena("1 MiB")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with arena.record(os.path.join(folder, "trace.csv")) as recording:
    ...         arena.alloc(5000).release()
    ...     recording.events, [events.size.tolist() for events in Trace(recording.path)]
    (2, [[5000, -1]])
    """

    def __init__(self, attachment: Any, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        if self.path.endswith(".gz"):
            raise ValueError(
                f"cannot record into {self.path}: a recording is plain text, so that it is whole when "
                "its process is killed; record into a .csv, and gzip it afterwards"
            )
        if attachment.is_recorded:
            raise ValueError(
                "this arena is being recorded in this process already; stop that recording first"
            )
        self._attachment = attachment
        self._pid = os.getpid()
        self._fd = _opened(self.path)
        self._tape = attachment.new_tape(self._fd, len(HEADER) + 1)
        try:
            os.write(self._fd, HEADER + b"\n")
            more = True
            while more:
                # Blocks are written between two stretches, as after every operation.
                request = attachment.request(is_recorded=True)
                attachment.perform(request, OP_RECORD)
                more = request.answer["node"] != 0
        except BaseException:
            self.stop()
            raise
        # Keeps it, and with it the arena attached, until it is stopped.
        atexit.register(self.stop)

    @property
    def events(self) -> int:
        """Lines so far."""
        n_events: int = self._tape.figures[0]
        return n_events

    @property
    def lost(self) -> int:
        """Events without a line."""
        n_lost: int = self._tape.figures[1]
        return n_lost

    @property
    def stopped(self) -> bool:
        """Whether nothing is recorded any more: it was stopped, or is that of this process's parent."""
        return self._fd < 0 or self._pid != os.getpid()

    def stop(self) -> None:
        """Write the rest and close the file. A second call does nothing, nor does one in a forked child.

        Raises OSError where the disk was full or failed: what was written until then is whole.
        """
        if self.stopped:
            return
        attachment, fd = self._attachment, self._fd
        attachment.perform(attachment.request(is_recorded=False), OP_RECORD)
        self._fd, self._attachment = -1, None
        atexit.unregister(self.stop)
        try:
            self._finish(fd)
        finally:
            # A child that was forked meanwhile has the same open file: closing would not unlock it.
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)

    def _finish(self, fd: int) -> None:
        end = time.monotonic() + _PATIENCE
        while not self._tape.finish():
            if time.monotonic() > end:
                raise TimeoutError(f"{self.path} takes too long to be written; is its disk well?")
            time.sleep(_PAUSE)
        failure = self._tape.figures[2]
        if failure:
            whole = os.fstat(fd).st_size // TAPE_BLOCK * TAPE_BLOCK
            os.ftruncate(fd, whole)
            raise OSError(
                failure, f"{os.strerror(failure)}; its first {whole} bytes are whole", self.path
            )
        os.write(fd, note("lost", self.lost))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "stopped" if self.stopped else "under way"
        return f"<ArenaRecording into {self.path!r}, {self.events} events, {state}>"


def _opened(path: str) -> int:
    """A file of nobody else's to write to, empty."""
    fd = os.open(path, _FLAGS, 0o666)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError(f"cannot record into {path}: it is there and is no file")
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"another recording is written into {path}; give each process a file of its own"
            ) from None
        os.ftruncate(fd, 0)
    except BaseException:
        os.close(fd)
        raise
    return fd


def note(what: str, count: int) -> bytes:
    """A note, if there is something to note; `what` is "failed" or "lost".

    >>> note("lost", 12), note("failed", 0)
    (b'# lost 12\\n', b'')
    """
    return b"# %s %d\n" % (what.encode(), count) if count else b""
