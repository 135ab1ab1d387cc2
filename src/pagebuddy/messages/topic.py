"""ArenaTopic: messages that every subscriber gets. All of them share the bytes."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from pagebuddy.arguments import whole
from pagebuddy.errors import OutOfSlots
from pagebuddy.messages.deadline import deadline, is_over, sleep_ms
from pagebuddy.messages.layout import RingLayout
from pagebuddy.messages.opening import open_named
from pagebuddy.messages.parcel import MOST_INLINE, packed_message, unpacked_message
from pagebuddy.messages.running import awaited, drop_awaited
from pagebuddy.messages.shut_down import ShutDown, is_end
from pagebuddy.pickled import name_of, permanent, public
from pagebuddy.sharing.joining import failures
from pagebuddy.sharing.joining.keeping import forget
from pagebuddy.sharing.words import (
    CLOSED,
    DONE,
    FOR_TOPICS,
    QUEUE,
    R_GETS,
    R_PUTS,
    TOPIC_BLOCK,
    TOPIC_DROP,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator

    from pagebuddy.messages.channel import Channel
    from pagebuddy.messages.loop import Due

_POLICIES = {"drop": TOPIC_DROP, "block": TOPIC_BLOCK}
_NAMES = {kind: policy for policy, kind in _POLICIES.items()}
_HISTORY = 8
_MOST_HISTORY = 1 << 20
_LEAST_SUBSCRIPTIONS = 64
# The region is so large that `history` short messages fit into it.
_REGION = 1 << 20
_LEAST_INLINE = 256


class _NothingYetError(Exception):
    """There is no message to read at this moment."""


class ArenaTopic:
    """A topic: every subscriber gets every message that is published while it is subscribed.

    `Arena.topic` makes one, or finds it by its name.

    Parameters
    ----------
    arena : Arena
        The arena through which the messages travel.
    name : str
        1 to 47 ASCII characters.
    history : int, optional
        How many messages the topic has at most; a subscriber that is slower loses the oldest. By default
        that of the topic which exists, or 8.
    policy : {"drop", "block"}, optional
        What `publish` does with a message that is still needed when there are `history`: drop it, or
        wait until all subscribers have read it. By default that of the topic which exists, or "drop".

    Notes
    -----
    A message is stored once, however many subscribers there are. A subscriber whose process died delays
    nobody.

    Examples
    --------
    >>> from pagebuddy import Arena
    >>> topic = Arena("4 MiB").topic("frames", history=4)
    >>> with topic.subscribe() as frames:
    ...     topic.publish("the first")
    ...     next(frames)
    'the first'
    """

    def __init__(
        self,
        arena: Any,
        name: str,
        *,
        history: int | None = None,
        policy: str | None = None,
    ) -> None:
        wanted = None if history is None else whole(history, "history", least=1, most=_MOST_HISTORY)
        if policy is not None and policy not in _POLICIES:
            raise ValueError(f"policy is {policy!r}; it must be 'drop' or 'block'")
        a = arena._open

        def make() -> RingLayout:
            kind = _POLICIES["drop" if policy is None else policy]
            return _layout(kind, _HISTORY if wanted is None else wanted, a.layout.n_slots)

        def check(layout: RingLayout) -> None:
            if layout.kind == QUEUE:
                raise ValueError(f"{name!r} is not a topic")
            if wanted is not None and layout.limit != wanted:
                raise ValueError(
                    f"history is {wanted}, but the topic {name!r} was made with {layout.limit}; leave "
                    "history out to accept that, or unlink() the topic first"
                )
            if policy is not None and _NAMES[layout.kind] != policy:
                raise ValueError(
                    f"policy is {policy!r}, but the topic {name!r} was made with "
                    f"{_NAMES[layout.kind]!r}; leave policy out to accept that, or unlink() it first"
                )

        key = failures.checked_key(name)
        self._arena = arena
        self._name = name
        self._channel: Channel | None
        self._channel, self._layout = open_named(a, key, FOR_TOPICS, make, check)

    def publish(self, obj: Any, timeout: float | None = None) -> None:
        """Publish an object: every subscription gets it.

        Parameters
        ----------
        obj : object
            Any object that `Arena.dumps` accepts. An array in the arena is shared with the subscribers:
            what you write to it afterwards, they see.
        timeout : float, optional
            Seconds to wait for slow subscribers, if the policy is "block". By default waits as long as
            it takes.

        Raises
        ------
        queue.Full
            If there are `history` messages that some subscriber has not read in time.
        OutOfPages
            If the arena has no room for the message.
        ValueError
            If this topic object was closed.
        pagebuddy.ShutDown
            If the topic was unlinked. Since Python 3.13, this is ``queue.ShutDown``.
        Exception
            What `Arena.dumps` raises. After any of these errors nothing was published, and nothing stays
            in the arena.

        Notes
        -----
        Takes as long as `Arena.dumps`, and a system call if a subscriber sleeps.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> topic = Arena("4 MiB").topic("frames")
        >>> topic.publish({"frame": 7})
        """
        channel = self._opened()
        end = deadline(True, timeout)
        rest = channel.send(self._arena, obj, packed_message, _most_inline(self._layout.limit))
        if rest is None:
            return
        body, data, answer = rest
        while answer not in (DONE, CLOSED):
            if not channel.evict():
                seen = channel.announce(R_GETS)
                # A dead process may have the oldest message in hand.
                channel.end_what_the_dead_own()
                answer = channel.put(data, body)
                if answer in (DONE, CLOSED):
                    break
                if not channel.evict():
                    if is_over(end):
                        raise self._full(timeout)
                    channel.sleep(R_GETS, seen, sleep_ms(end))
                    self._opened()
            answer = channel.put(data, body)
        if answer == CLOSED:
            raise ShutDown(
                f"the topic {self._name!r} was unlinked; make it again with arena.topic()"
            )

    def _full(self, timeout: float | None) -> Exception:
        from queue import Full

        return Full(
            f"the topic {self._name!r} has {self._layout.limit} messages, and some subscriber did not "
            f"read the oldest within {timeout} seconds; wait longer, or use policy='drop'"
        )

    def subscribe(self, replay: int = 0, *, writable: bool = False) -> Subscription:
        """Subscribe to the topic, from now on.

        Parameters
        ----------
        replay : int, optional
            How many of the last messages to read first; at most as many as there are. Default: 0.
        writable : bool, optional
            Let arrays and views be writable. All subscribers see what is written to them. Default:
            False.

        Returns
        -------
        Subscription
            An iterator over the messages, and a context manager which ends the subscription.

        Raises
        ------
        OutOfSlots
            If the topic has no room for a further subscription.
        ValueError
            If this topic object was closed.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> topic = Arena("4 MiB").topic("frames")
        >>> topic.publish("the first")
        >>> with topic.subscribe(replay=1) as frames:
        ...     next(frames)
        'the first'
        """
        n_replayed = whole(replay, "replay", most=_MOST_HISTORY)
        return Subscription(self, self._opened(), n_replayed, bool(writable))

    @property
    def name(self) -> str:
        """The topic's name."""
        return self._name

    @property
    def history(self) -> int:
        """How many messages the topic has at most."""
        return self._layout.limit

    @property
    def policy(self) -> str:
        """What `publish` does with a message that is still needed: "drop" or "block"."""
        return _NAMES[self._layout.kind]

    @property
    def closed(self) -> bool:
        """Whether this topic object was closed."""
        return self._channel is None

    def close(self) -> None:
        """Close this topic object. Its subscriptions, and other processes, can still use the topic.

        A second call does nothing.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> topic = Arena("4 MiB").topic("frames")
        >>> topic.close()
        >>> topic.closed
        True
        """
        self._channel = None

    def unlink(self) -> bool:
        """End the topic: nothing can be published any more, and its name is free.

        Subscribers can still read what was published; then their iterations end.

        Returns
        -------
        bool
            True if the name was removed. False if it no longer exists or now belongs to another topic.

        Raises
        ------
        ValueError
            If this topic object was closed.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> Arena("4 MiB").topic("frames").unlink()
        True
        """
        channel = self._opened()
        channel.end()
        return forget(self._arena._open, self._name, FOR_TOPICS, channel.buffer())

    def _opened(self) -> Channel:
        channel = self._channel
        if channel is None:
            raise ValueError("this topic was closed; make another with arena.topic()")
        self._arena._open  # noqa: B018 - raises `ArenaClosed`
        return channel

    def __reduce__(self) -> Any:
        self._opened()
        return topic_named, (name_of(type(self)), self._arena, self._name)

    def __enter__(self) -> ArenaTopic:
        self._opened()
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ArenaTopic {self._name!r} of {self._arena!r}{', closed' if self.closed else ''}>"


class Subscription:
    """The messages of a topic, in order; `ArenaTopic.subscribe` makes one.

    It belongs to the process that made it: a forked child subscribes by itself.

    Examples
    --------
    >>> from pagebuddy import Arena
    >>> topic = Arena("4 MiB").topic("frames")
    >>> with topic.subscribe() as frames:
    ...     topic.publish(1)
    ...     topic.publish(2)
    ...     frames.get(), frames.get(), frames.missed
    (1, 2, 0)
    """

    def __init__(
        self, topic: ArenaTopic, channel: Channel, n_replayed: int, writable: bool
    ) -> None:
        self._topic = topic
        self._channel = channel
        self._closed = False
        self._readonly = not writable
        self._pid = os.getpid()
        # Of several threads, one reads a message at a time.
        self._reading = threading.RLock()
        self._is_read = False
        self._place = channel.subscribe(n_replayed)
        if self._place is None:
            raise OutOfSlots(
                f"the topic {topic.name!r} has {topic._layout.n_rows} subscriptions of living "
                "processes; close some, or make a further topic"
            )

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return the next message.

        Parameters
        ----------
        block : bool, optional
            Wait if there is none. Default: True.
        timeout : float, optional
            Seconds to wait. By default waits as long as it takes.

        Returns
        -------
        object
            The object that was published. Its arrays and views share the memory with all subscribers.

        Raises
        ------
        queue.Empty
            If there still is no message.
        pagebuddy.ShutDown
            If the topic was unlinked, and all its messages were read. Since Python 3.13, this is
            ``queue.ShutDown``.
        ValueError
            If the subscription was closed, or belongs to another process.
        Exception
            What unpickling the object raises; the next call continues with the next message.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> topic = Arena("4 MiB").topic("frames")
        >>> frames = topic.subscribe()
        >>> topic.publish("hello")
        >>> frames.get(timeout=1)
        'hello'
        """
        channel = self._opened()
        end = deadline(block, timeout)
        # None before a sleep was announced.
        seen = None
        spins = end != 0.0
        while True:
            try:
                return channel.read_next(self, unpacked_message, self._refuse)
            except _NothingYetError:
                pass
            if seen is None:
                number = channel.next_number(self._place)
                if spins:
                    spins = False
                    if channel.spin(number):
                        continue
                if number < channel.range_of_numbers()[1]:
                    # A dead process may be writing it.
                    channel.end_what_the_dead_own()
                seen = channel.announce(R_PUTS)
                continue
            if is_over(end):
                from queue import Empty

                raise Empty(f"the topic {self._topic.name!r} has no further message")
            channel.sleep(R_PUTS, seen, sleep_ms(end))
            self._opened()
            seen = None

    async def aget(self) -> Any:
        """Return the next message, in an event loop.

        Returns
        -------
        object
            As `get` returns it.

        Raises
        ------
        Exception
            What `get` raises, but not `queue.Empty`. If it is cancelled, no message is lost.

        Examples
        --------
        >>> import asyncio
        >>> from pagebuddy import Arena
        >>> topic = Arena("4 MiB").topic("frames")
        >>> frames = topic.subscribe()
        >>> topic.publish("hello")
        >>> asyncio.run(frames.aget())
        'hello'
        """
        channel = self._opened()
        seen = None
        while True:
            try:
                return channel.read_next(self, unpacked_message, self._refuse)
            except _NothingYetError:
                pass
            if seen is None:
                number = channel.next_number(self._place)
                if number < channel.range_of_numbers()[1]:
                    channel.end_what_the_dead_own()
                seen = channel.announce(R_PUTS)
                continue
            await awaited(id(self), channel, R_PUTS, _once(seen), self._due_after(channel, number))
            self._opened()
            seen = None

    def _due_after(self, channel: Channel, number: int) -> Due:
        """When to look again for the message of a number."""

        def due(is_changed: bool, n_woken: int, is_tick: bool) -> bool:
            return is_changed or channel.is_ended() or channel.range_of_numbers()[1] > number

        return due

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        """Return the next message, in an event loop.

        Returns
        -------
        object
            As `get` returns it.

        Raises
        ------
        StopAsyncIteration
            If the subscription was closed, or the topic was unlinked and all its messages were read.
        """
        try:
            return await self.aget()
        except (ShutDown, ValueError) as error:
            if is_end(error, self._closed):
                raise StopAsyncIteration from None
            raise

    def _refuse(self, answer: bool | None) -> None:
        """Raise the error for a message that cannot be read: see `Channel.read`."""
        if answer is None:
            raise _NothingYetError
        self._opened()
        if answer is False:
            raise ShutDown(f"the topic {self._topic.name!r} was unlinked")
        raise self._of_another_process()

    def _of_another_process(self) -> ValueError:
        return ValueError(
            "this subscription belongs to another process; call topic.subscribe() in this one"
        )

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        """Return the next message; wait for it as long as it takes.

        Returns
        -------
        object
            As `get` returns it.

        Raises
        ------
        StopIteration
            If the subscription was closed, or the topic was unlinked and all its messages were read.
        """
        try:
            return self.get()
        except (ShutDown, ValueError) as error:
            if is_end(error, self._closed):
                raise StopIteration from None
            raise

    @property
    def missed(self) -> int:
        """How many messages were dropped before this subscription read them."""
        channel = self._opened()
        found = channel.missed(self._place)
        if found is None:
            self._opened()
            raise self._of_another_process()
        return int(found)

    @property
    def closed(self) -> bool:
        """Whether the subscription has ended."""
        return self._closed

    def close(self) -> None:
        """End the subscription. A second call does nothing.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> frames = Arena("4 MiB").topic("frames").subscribe()
        >>> frames.close()
        >>> frames.closed
        True
        """
        self._closed = True
        if self._pid != os.getpid():
            # It is not this process's, and the lock may be that of a thread which was not forked.
            return
        with self._reading:
            self._channel.unsubscribe(self._place)
        drop_awaited(self._channel)

    def _opened(self) -> Channel:
        if self._closed:
            raise ValueError("this subscription was closed; subscribe again")
        if self._pid != os.getpid():
            raise self._of_another_process()
        self._topic._arena._open  # noqa: B018 - raises `ArenaClosed`
        return self._channel

    def __enter__(self) -> Subscription:
        self._opened()
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise TypeError(
            "a subscription belongs to its process; pickle the topic, and subscribe there"
        )

    def __repr__(self) -> str:
        return f"<Subscription to {self._topic.name!r}{', closed' if self.closed else ''}>"


@permanent
def topic_named(cls: str | type, arena: Any, name: str) -> Any:
    """Return the topic of this name; what is pickled of a topic calls this."""
    return public(cls)(arena, name)


def _most_inline(history: int) -> int:
    """How many bytes of a message lie in the ring at most."""
    return min(MOST_INLINE, max(_LEAST_INLINE, _REGION // history))


def _layout(kind: int, history: int, n_slots: int) -> RingLayout:
    """The numbers of a new topic."""
    n_bytes = 1 << (2 * history * _most_inline(history) - 1).bit_length()
    n_cells = 1 << max(4, (history * 2 - 1).bit_length())
    return RingLayout(kind, history, max(n_slots, _LEAST_SUBSCRIPTIONS), n_cells, n_bytes)


def _once(seen: int) -> Generator[int, None, None]:
    """The steps of a call that sleeps once."""
    yield seen
