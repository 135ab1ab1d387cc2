"""What a subscription can read at once, for tests."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty

from pagebuddy import ShutDown


def drained(subscription):
    """Return all messages that are there."""
    got = []
    with suppress(Empty, ShutDown):
        while True:
            got.append(subscription.get(block=False))
    return got


def ready(subscription):
    """How many messages a subscription has still to read."""
    channel = subscription._channel
    tail, head = channel.range_of_numbers()
    return head - max(tail, channel.next_number(subscription._place))
