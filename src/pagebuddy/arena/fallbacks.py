"""How often a drop-in did what the original does, because an arena could not be used."""

from __future__ import annotations

from threading import Lock

__all__ = ["Fallbacks"]


class Fallbacks:
    """How often a drop-in did what the original does, by the reason; each reason is logged once.

    The logger is that of the package, `pagebuddy`. The counts are those of this process.

    Parameters
    ----------
    what : str
        The name of the drop-in, for the messages.

    Examples
    --------
    >>> fallbacks = Fallbacks("an example")
    >>> fallbacks.count("full", "OutOfPages: 3 pages are free")
    >>> fallbacks.counts
    {'full': 1}
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._counts: dict[str, int] = {}
        self._lock = Lock()

    @property
    def counts(self) -> dict[str, int]:
        """The number of times for each reason so far; reasons that did not occur are absent."""
        return dict(self._counts)

    def count(self, reason: str, message: str) -> None:
        """Count one time for a reason, and log it if it is the first.

        Parameters
        ----------
        reason : str
            One word, or few: the same each time.
        message : str
            What was tried, why it failed and what is done instead; used the first time only.
        """
        with self._lock:
            times = self._counts[reason] = self._counts.get(reason, 0) + 1
        if times == 1:
            # Few programs get here, and the module takes time to import.
            from logging import getLogger

            getLogger("pagebuddy").warning("%s: %s", self.what, message)
