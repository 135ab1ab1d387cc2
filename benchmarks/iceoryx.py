"""Round trips through iceoryx2, for `messages`: a sample to another process, and a short one back.

The receiver looks for samples all the time, or waits at a listener. The sender loans memory and sends it
as it is, as an array that lies in an arena is sent.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import count
from statistics import median
from typing import Any

iceoryx2: Any = import_module("iceoryx2")

_NAMES = (f"pagebuddy-{os.getpid()}-{number}" for number in count())
# A listener is asked again after this time, in seconds.
_PATIENCE = 1


class _Port:
    """One way between two processes: samples, and events if the receiver waits for them."""

    def __init__(self, name: str, n_bytes: int, listens: bool) -> None:
        self._node = iceoryx2.NodeBuilder.new().create(iceoryx2.ServiceType.Ipc)
        self._n_bytes = n_bytes
        self._samples = self._service(name).publish_subscribe(iceoryx2.Slice[ctypes.c_uint8])
        self._samples = self._samples.open_or_create()
        self._events = self._service(f"{name}/events").event().open_or_create() if listens else None

    def _service(self, name: str) -> Any:
        return self._node.service_builder(iceoryx2.ServiceName.new(name))

    def sender(self) -> Callable[[], None]:
        """A function that sends a sample."""
        publisher = self._samples.publisher_builder()
        publisher = publisher.initial_max_slice_len(self._n_bytes).create()
        notifier = self._events.notifier_builder().create() if self._events else None

        def send() -> None:
            publisher.loan_slice_uninit(self._n_bytes).assume_init().send()
            if notifier is not None:
                notifier.notify()

        return send

    def receiver(self) -> Callable[[], Any]:
        """A function that returns the next sample."""
        subscriber = self._samples.subscriber_builder().create()
        listener = self._events.listener_builder().create() if self._events else None
        patience = iceoryx2.Duration.from_secs(_PATIENCE)

        def receive() -> Any:
            while (sample := subscriber.receive()) is None:
                if listener is not None:
                    listener.timed_wait(patience)
            return sample

        return receive


def trips(
    fork: Any, n_bytes: int, seconds: float, pause_s: float, listens: bool
) -> Iterator[float]:
    """The median seconds of a round trip to a process that is awake, and to one that rested."""
    iceoryx2.set_log_level(iceoryx2.LogLevel.Error)
    name = next(_NAMES)
    begin, is_over = fork.Barrier(2), fork.Event()

    def part() -> None:
        there, back = _Port(f"{name}/there", n_bytes, listens), _Port(f"{name}/back", 8, listens)
        receive, reply = there.receiver(), back.sender()
        begin.wait()
        while receive() and not is_over.is_set():
            reply()

    process = fork.Process(target=part, daemon=True)
    process.start()
    there, back = _Port(f"{name}/there", n_bytes, listens), _Port(f"{name}/back", 8, listens)
    send, answer = there.sender(), back.receiver()
    begin.wait()

    def trip(rest_s: float) -> float:
        time.sleep(rest_s)
        start = time.perf_counter()
        send()
        answer()
        return time.perf_counter() - start

    try:
        for rest_s in (0.0, pause_s):
            end = time.perf_counter() + seconds
            times = [trip(rest_s)]
            while time.perf_counter() < end:
                times.append(trip(rest_s))
            yield median(times)
        # What it leaves in the file system ends with its objects.
        is_over.set()
        send()
        process.join(10)
    finally:
        process.kill()
