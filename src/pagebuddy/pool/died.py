"""WorkerDied: the error of a call whose worker died."""

from __future__ import annotations

import signal
from concurrent.futures.process import BrokenProcessPool
from typing import Any


class WorkerDied(BrokenProcessPool):
    """Raised by the future of a call whose worker process died while it ran the call.

    It is also a `concurrent.futures.process.BrokenProcessPool`, although the pool is not broken: the
    worker is replaced, and all other calls continue.

    Parameters
    ----------
    pid : int or None
        The process id of the worker.
    exitcode : int or None
        The worker's exit code; the negative number of the signal that killed it.
    call : str
        The function that it ran.
    number : int
        The number of the call.

    Attributes
    ----------
    pid : int or None
        The process id of the worker.
    exitcode : int or None
        The worker's exit code, or the negative number of the signal that killed it; None if it is not
        known.
    signal : signal.Signals or None
        The signal that killed it, or None.
    call : str
        The function that it ran, as ``module.name``.
    number : int
        The number of the call; the first call that a pool sends has the number 1.

    Examples
    --------
    >>> import os
    >>> import pagebuddy as pb
    >>> with pb.ArenaExecutor(1, mp_context=__import__("multiprocessing").get_context("spawn")) as pool:
    ...     died = pool.submit(os._exit, 3).exception()
    ...     (died.exitcode, died.call, pool.submit(len, "four").result())
    (3, 'posix._exit', 4)
    """

    def __init__(self, pid: int | None, exitcode: int | None, call: str, number: int) -> None:
        super().__init__(pid, exitcode, call, number)
        self.pid = pid
        self.exitcode = exitcode
        self.call = call
        self.number = number

    @property
    def signal(self) -> Any:
        """The signal that killed the worker, or None."""
        if self.exitcode is None or self.exitcode >= 0:
            return None
        try:
            return signal.Signals(-self.exitcode)
        except ValueError:
            return -self.exitcode

    def __str__(self) -> str:
        killed = self.signal
        if killed is not None:
            how = f"was killed by {getattr(killed, 'name', f'signal {killed}')}"
        elif self.exitcode is None:
            how = "ended"
        else:
            how = f"ended with exit code {self.exitcode}"
        memory = "; the system may have been out of memory" if killed == signal.SIGKILL else ""
        return (
            f"the worker process {self.pid} {how} while it ran call {self.number}, of {self.call}"
            f"{memory}. No other call is lost; if this one may run twice, make the pool with retries=1"
        )


def exit_text(exitcode: int | None) -> str:
    """How a process ended, for messages."""
    if exitcode is None:
        return "ended"
    if exitcode >= 0:
        return f"ended with exit code {exitcode}"
    try:
        return f"was killed by {signal.Signals(-exitcode).name}"
    except ValueError:
        return f"was killed by signal {-exitcode}"
