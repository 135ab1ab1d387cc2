"""Figures of arenas for Prometheus, through its own client library `prometheus_client`.

A collector looks at each arena when Prometheus asks: it reads the arena's file, and takes no slot and
no lock. So it can run in a process that is attached, or in one that is not, beside those it observes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack
from importlib.metadata import version
from typing import TYPE_CHECKING

from pagebuddy import Arena
from pagebuddy.arena.looking.looks import Look, check_arenas, looks_at
from pagebuddy.arena.looking.rings import RingRow
from pagebuddy.arguments import whole
from pagebuddy.sharing.joining.failures import seconds

try:
    import prometheus_client.registry
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
except ImportError as error:
    raise ImportError(
        "pagebuddy.adapters.prometheus needs prometheus_client; install it: "
        "pip install 'pagebuddy[prometheus]'"
    ) from error
if [int(part) for part in version("prometheus_client").split(".")[:2]] < [0, 20]:
    raise ImportError(
        f"prometheus_client {version('prometheus_client')} is too old for "
        "pagebuddy.adapters.prometheus, which supports 0.20 and later: "
        "pip install 'pagebuddy[prometheus]'"
    )

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = ["Collector"]

# No key has this letter, because keys are ASCII.
OTHERS = "… others"

# Of each: the name, a sentence, and the attribute of `ArenaStats`.
_GAUGES = (
    ("size_bytes", "Bytes that can be allocated in all.", "n_bytes"),
    ("used_bytes", "Bytes in buffers, counted in whole pages.", "used_bytes"),
    ("free_bytes", "Free bytes.", "free_bytes"),
    (
        "largest_free_bytes",
        "Bytes of the largest buffer that can be allocated.",
        "largest_free_bytes",
    ),
    ("buffers", "Live buffers.", "n_spans"),
    ("max_keys", "Buffers, objects, queues and topics that can have keys.", "keys"),
    ("processes", "Attached processes, dead ones that were not reaped included.", "processes"),
    ("dead_processes", "Dead processes that were not reaped yet.", "dead"),
    ("unclaimed_handles", "Handles that were sent and not claimed yet.", "tickets"),
)
_COUNTERS = (
    ("lock_waits", "Operations that had to wait for the arena's lock.", "lock_waits"),
    ("failed_allocations", "Allocations for which too few pages were free.", "failed"),
    ("reaped_processes", "Dead processes that were reaped.", "reaped"),
    ("expired_handles", "Handles that nobody claimed in time.", "expired"),
)
_OTHER_GAUGES = (
    ("max_processes", "Processes that can be attached at once."),
    ("unclaimed_bytes", "Bytes of the buffers that unclaimed handles name, each once."),
    ("oldest_unclaimed_handle_seconds", "Age of the oldest unclaimed handle; 0 without one."),
    ("queues", "Named queues."),
    ("topics", "Named topics."),
)
_OF_QUEUES = (
    ("messages", "Messages that can be received."),
    ("maxsize", "Messages that it has room for; 0: no limit."),
)
_OF_TOPICS = (
    ("messages", "Messages that are kept for subscribers."),
    ("history", "Messages that it keeps at most."),
    ("subscribers", "Subscriptions."),
    ("behind", "Messages that the slowest subscriber has not read yet."),
    ("missed", "Messages that the present subscribers missed."),
)


class Collector(prometheus_client.registry.Collector):
    """Collects the figures of arenas whenever Prometheus scrapes them.

    Parameters
    ----------
    *arenas : Arena or str
        What to collect: arenas, names of arenas, paths of their files (with a slash), or patterns of
        names such as ``"frames*"``. Without any, all named arenas of this machine that belong to this
        user, each time those that are there then.
    most_names : int, optional
        How many queues, and how many topics, of one arena get figures of their own: the first ones in
        alphabetical order. The others are added up under the name ``"… others"``. By default 100.
    timeout : float, optional
        Seconds for one scrape. An arena that cannot be read in the time that is left is reported as
        down, with the reason ``"late"``. By default 5; None for no limit.

    Raises
    ------
    TypeError
        If one of the arenas is neither an `Arena` nor text, or another argument is not a number.
    ValueError
        If a name cannot be that of an arena, or a number is out of its range.

    Notes
    -----
    An arena is read from its file, as `pagebuddy stat` does, and private memory is needed for a copy:
    about 16 bytes for each page that was ever used. Nobody waits for this, and it waits for nobody: also
    if a stopped process has the lock, or all slots are taken. An arena that cannot be read does not end
    the scrape: its ``pagebuddy_arena_up`` is 0, and the label ``reason`` says why. A scrape also logs a
    warning when an arena becomes nearly full.

    Examples
    --------
    >>> from prometheus_client import CollectorRegistry
    >>> from pagebuddy import Arena
    >>> arena = Arena("1 MiB")
    >>> array = arena.zeros(1000)
    >>> registry = CollectorRegistry()
    >>> registry.register(Collector(arena))
    >>> [up] = [metric for metric in registry.collect() if metric.name == "pagebuddy_arena_up"]
    >>> up.samples[0].value
    1.0
    """

    def __init__(self, *arenas: Arena | str, most_names: int = 100, timeout: float = 5.0) -> None:
        check_arenas(arenas)
        self._arenas = arenas
        self._most_names = whole(most_names, "most_names")
        self._timeout = seconds(timeout)

    def describe(self) -> Iterable[Metric]:
        """Return the metrics without figures, so that registering the collector looks at no arena.

        Returns
        -------
        iterable of Metric
            One for each name.

        Examples
        --------
        >>> len(list(Collector().describe())) > 20
        True
        """
        return _Families().metrics

    def collect(self) -> Iterable[Metric]:
        """Look at all arenas now, and return their figures.

        Returns
        -------
        iterable of Metric
            One for each name, with a sample for each arena, queue and topic.

        Notes
        -----
        Takes about a millisecond for an arena with 1,000 buffers.

        Examples
        --------
        >>> sorted(metric.name for metric in Collector("missing").collect() if metric.samples)
        ['pagebuddy_arena_up']
        """
        end = None if self._timeout is None else time.monotonic() + self._timeout
        families = _Families()
        with ExitStack() as open_ones:
            for look in looks_at(self._arenas, end, open_ones):
                families.add(look, self._most_names)
        return families.metrics


class _Families:
    """The metrics, to which the samples of arenas are added."""

    def __init__(self) -> None:
        self._gauges: dict[str, GaugeMetricFamily] = {}
        self._counters: dict[str, CounterMetricFamily] = {}
        self._gauge(
            "arena_up", "Whether the arena can be read and used; if not, the reason.", "reason"
        )
        for name, help_text, *_ in (*_GAUGES, *_OTHER_GAUGES):
            self._gauge(f"arena_{name}", help_text)
        self._gauge("arena_keys", "Keys in use, by what they are for.", "kind")
        for kind, rows in (("queue", _OF_QUEUES), ("topic", _OF_TOPICS)):
            for name, help_text in rows:
                self._gauge(f"{kind}_{name}", help_text, kind)
        for name, help_text, _ in _COUNTERS:
            self._counter(f"arena_{name}", help_text)
        self._counter("queue_put", "Messages that were put.", "queue")
        self._counter("topic_published", "Messages that were published.", "topic")

    def _gauge(self, name: str, help_text: str, *labels: str) -> None:
        self._gauges[name] = GaugeMetricFamily(
            f"pagebuddy_{name}", help_text, labels=("arena", *labels)
        )

    def _counter(self, name: str, help_text: str, *labels: str) -> None:
        self._counters[name] = CounterMetricFamily(
            f"pagebuddy_{name}", help_text, labels=("arena", *labels)
        )

    @property
    def metrics(self) -> list[Metric]:
        """All metrics, with the samples that were added."""
        return [*self._gauges.values(), *self._counters.values()]

    def add(self, look: Look, most_names: int) -> None:
        """Add what was found of one arena."""
        name = look.source.name
        if look.reason is not None:
            self._gauges["arena_up"].add_metric((name, look.reason), float(not look.reason))
        if look.reason not in ("", "locked"):
            return
        for metric, _, attribute in _GAUGES:
            self._gauges[f"arena_{metric}"].add_metric((name,), getattr(look.stats, attribute))
        for metric, value in look.others.items():
            self._gauges[f"arena_{metric}"].add_metric((name,), value)
        for kind, n in look.kinds.items():
            self._gauges["arena_keys"].add_metric((name, kind), n)
        for metric, _, attribute in _COUNTERS:
            self._counters[f"arena_{metric}"].add_metric((name,), getattr(look.stats, attribute))
        for kind in ("queue", "topic"):
            rows = [row for row in look.rings if row.kind == kind]
            for row in rows[:most_names]:
                self._add_ring(name, row.name, [row])
            if rows[most_names:]:
                self._add_ring(name, OTHERS, rows[most_names:])

    def _add_ring(self, arena: str, name: str, rows: list[RingRow]) -> None:
        """Add the figures of a ring, or the sums of several."""
        kind = rows[0].kind
        figures: dict[str, int] = {"messages": sum(row.messages for row in rows)}
        if kind == "queue":
            figures["maxsize"] = sum(row.limit for row in rows)
        else:
            behind = [each.behind for row in rows for each in row.subscriptions]
            figures |= {
                "history": sum(row.limit for row in rows),
                "subscribers": len(behind),
                "behind": max(behind, default=0),
                "missed": sum(row.missed for row in rows),
            }
        for metric, value in figures.items():
            self._gauges[f"{kind}_{metric}"].add_metric((arena, name), value)
        put = "queue_put" if kind == "queue" else "topic_published"
        self._counters[put].add_metric((arena, name), sum(row.put for row in rows))
