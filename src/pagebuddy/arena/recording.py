"""Records when this process begins and ceases to hold buffers of an arena, as a trace in bytes."""

from __future__ import annotations

import atexit
import fcntl
import os
import stat
import time
from threading import RLock
from typing import TYPE_CHECKING

from pagebuddy.sharing.words import OP_RECORD, TAPE_BLOCK

if TYPE_CHECKING:
    from typing import Self

    from pagebuddy.buffers.attachment import Attachment

HEADER = b"op,id,bytes"

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
# In seconds. A thread writes at most one tape at a time; longer waiting means that the disk hangs.
_PATIENCE = 30.0
_PAUSE = 0.001


class ArenaRecording:
    """A recording of an arena to a file, which `Arena.record` starts.

    It is a context manager, which calls `stop` at the end.

    Parameters
    ----------
    attachment : Attachment
        The attachment to record; `Arena.record` passes that of its arena.
    path : str or os.PathLike
        The file to write, a CSV.

    Attributes
    ----------
    path : str
        The file.

    Examples
    --------
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

    def __init__(self, attachment: Attachment, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        if self.path.endswith(".gz"):
            raise ValueError(
                f"cannot record to {self.path}: a recording is plain text, so that a killed process "
                "leaves a readable file; record to a .csv file, and compress it afterwards"
            )
        if attachment.is_recorded:
            raise ValueError(
                "this process is recording this arena already; stop that recording first"
            )
        self._attachment: Attachment | None = attachment
        self._pid = os.getpid()
        self._stopping = RLock()
        fd = _opened(self.path)
        # Whoever takes it out closes it: a second thread, or a signal handler, finds none.
        self._fds = [fd]
        self._tape = attachment.new_tape(fd, len(HEADER) + 1)
        try:
            os.write(fd, HEADER + b"\n")
            more = True
            while more:
                # Blocks are written between two parts, as after every operation.
                request = attachment.request(is_recorded=True)
                attachment.perform(request, OP_RECORD)
                more = request.answer["node"] != 0
        except BaseException:
            self.stop()
            raise
        # Keeps this object alive, and the arena attached, until it is stopped.
        atexit.register(self.stop)

    @property
    def events(self) -> int:
        """Number of lines so far."""
        n_events: int = self._tape.figures[0]
        return n_events

    @property
    def lost(self) -> int:
        """Number of events without a line, because writing took too long."""
        n_lost: int = self._tape.figures[1]
        return n_lost

    @property
    def stopped(self) -> bool:
        """Whether it was stopped, or belongs to this process's parent."""
        return not self._fds or self._pid != os.getpid()

    def stop(self) -> None:
        """Write the rest and close the file.

        A second call does nothing, nor does a call in a forked child. If another thread is stopping it,
        waits until the file is complete.

        Raises
        ------
        OSError
            If the disk is full or failed; the lines up to there are complete.
        TimeoutError
            If writing takes more than 30 seconds.
        """
        # Before taking the lock: in a forked child, a thread of the parent may have it for ever.
        if self._pid != os.getpid():
            return
        with self._stopping:
            self._stop()

    def _stop(self) -> None:
        attachment = self._attachment
        if self.stopped or attachment is None:
            return
        attachment.perform(attachment.request(is_recorded=False), OP_RECORD)
        try:
            fd = self._fds.pop()
        except IndexError:
            # A signal handler has stopped it meanwhile.
            return
        self._attachment = None
        atexit.unregister(self.stop)
        try:
            self._finish(fd)
        finally:
            # A child that was forked meanwhile shares the open file: closing alone would not unlock it.
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)

    def _finish(self, fd: int) -> None:
        end = time.monotonic() + _PATIENCE
        while not self._tape.finish():
            if time.monotonic() > end:
                raise TimeoutError(
                    f"writing {self.path} takes more than {_PATIENCE:.0f} seconds; check its disk"
                )
            time.sleep(_PAUSE)
        failure = self._tape.figures[2]
        if failure:
            whole = os.fstat(fd).st_size // TAPE_BLOCK * TAPE_BLOCK
            os.ftruncate(fd, whole)
            raise OSError(
                failure, f"{os.strerror(failure)}; its first {whole} bytes are complete", self.path
            )
        os.write(fd, note("lost", self.lost))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "stopped" if self.stopped else "running"
        return f"<ArenaRecording to {self.path!r}, {self.events} events, {state}>"


def _opened(path: str) -> int:
    """Open a file to write, emptied, that no other recording uses."""
    fd = os.open(path, _FLAGS, 0o666)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError(f"cannot record to {path}: it exists and is not a regular file")
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"another recording writes to {path}; give each process a file of its own"
            ) from None
        os.ftruncate(fd, 0)
    except BaseException:
        os.close(fd)
        raise
    return fd


def note(what: str, count: int) -> bytes:
    """Return a remark line for a count that is not 0; `what` is "failed" or "lost".

    >>> note("lost", 12), note("failed", 0)
    (b'# lost 12\\n', b'')
    """
    return b"# %s %d\n" % (what.encode(), count) if count else b""
