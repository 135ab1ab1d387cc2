"""Runs a command and passes signals on to it. Used by `record`."""

from __future__ import annotations

import os
import signal
import subprocess
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

NOT_EXECUTABLE = 126
NOT_FOUND = 127
_BY_SIGNAL = 128

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_FROM_THE_KEYBOARD = (signal.SIGINT, signal.SIGQUIT)


class NotStarted(Exception):
    """The command was not started. `code` is the exit code that a shell would use."""

    def __init__(self, message: str, code: int) -> None:
        self.code = code
        super().__init__(message)


class Child:
    """A command and the signals meant to end it. A context manager, for the main thread.

    Within it, SIGINT, SIGTERM, SIGHUP and SIGQUIT do not end this process but go to the command; those
    from the keyboard reach the command anyway. Leaving waits for the command, if it was started.

    >>> with Child(["true"]) as child:
    ...     child.start()
    ...     child.ended(timeout=10), child.exit_code
    (True, 0)
    """

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._pending: list[int] = []

    def __enter__(self) -> Self:
        self._handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        for number, handler in self._handlers.items():
            # Ignored signals stay ignored, also by the command, so that nohup works.
            if handler is not signal.SIG_IGN:
                signal.signal(number, self._pass_on)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.wait()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def start(self) -> None:
        """Start the command. Raises `NotStarted`, also if a signal came before."""
        name = self._command[0]
        if self._pending:
            raise NotStarted(
                f"{name}: interrupted before it started", _BY_SIGNAL + self._pending[0]
            )
        try:
            self._process = subprocess.Popen(self._command)
        except OSError as error:
            code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
            advice = "check the command"
            raise NotStarted(f"{name}: {error.strerror or error}; {advice}", code) from error
        # Signals that came while the command was being started.
        for number in self._pending:
            self._process.send_signal(number)

    def ended(self, timeout: float) -> bool:
        """Wait for the command at most so many seconds; return whether it has ended."""
        try:
            self._started.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def exit_code(self) -> int:
        """The exit code as in a shell: 128 plus the signal's number if a signal ended the command."""
        code = self._started.wait()
        return _BY_SIGNAL - code if code < 0 else code

    @property
    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self._command[0]} was not started; call start() first")
        return self._process

    @property
    def interrupted(self) -> bool:
        """Whether a signal came that was meant to end the command."""
        return bool(self._pending)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._pending.append(number)
        if self._process is not None and not (
            number in _FROM_THE_KEYBOARD and _in_the_foreground()
        ):
            self._process.send_signal(number)


def _in_the_foreground() -> bool:
    """Whether this process group is in the foreground of its terminal."""
    try:
        terminal = os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
