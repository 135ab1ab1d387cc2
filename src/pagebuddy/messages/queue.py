"""ArenaQueue: a queue of objects in an arena, between any number of processes and threads."""

from __future__ import annotations

import time
from queue import Empty, Full
from typing import TYPE_CHECKING, Any

from pagebuddy.arguments import whole
from pagebuddy.errors import OutOfPages
from pagebuddy.memory.sizes import bytes_of
from pagebuddy.messages.deadline import deadline, is_over, sleep_ms
from pagebuddy.messages.layout import RingLayout
from pagebuddy.messages.opening import channel_over, open_anonymous, open_named
from pagebuddy.messages.parcel import MOST_INLINE, packed_message, unpacked_message
from pagebuddy.messages.running import asleep, awaited, drop_awaited
from pagebuddy.messages.shut_down import ShutDown, is_end
from pagebuddy.pickled import name_of, permanent, public
from pagebuddy.sharing.joining import failures
from pagebuddy.sharing.joining.keeping import forget
from pagebuddy.sharing.words import (
    CLOSED,
    DONE,
    FOR_QUEUES,
    NO_TICKETS,
    QUEUE,
    R_DONES,
    R_GETS,
    R_PUTS,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from pagebuddy.messages.channel import Channel

_MIB = 1 << 20
# A message that is short has about this many bytes.
_USUAL_BYTES = 256
# And one that is very short so many, with its cell.
_LEAST_MESSAGE = 64
_LEAST_BYTES = 1 << 12
_MOST_CELLS = 1 << 20


class ArenaQueue:
    """A queue for objects between any number of processes and threads.

    `Arena.queue` makes one, or finds one by its name. A queue without a name is passed to other
    processes as an argument when they are started, with any start method.

    Parameters
    ----------
    arena : Arena
        The arena through which the objects travel.
    name : str, optional
        1 to 47 ASCII characters. By default the queue has no name, and ends with its last process.
    maxsize : int, optional
        How many messages may wait; 0 for any number. By default that of the queue which exists, or 0.
    nbytes : int or str, optional
        How many bytes of short messages a new queue has room for, rounded up to a power of two. Default:
        1 MiB, or an eighth of the arena if that is less.

    Notes
    -----
    Messages of one producer arrive in the order in which it put them. Messages of at most 4 KiB lie in
    the queue, all others in the arena. Putting and getting take no system call while no process waits. A
    process that is killed loses only the message that it was receiving, and delays no other by more than
    a tenth of a second.

    Examples
    --------
    >>> from pagebuddy import Arena
    >>> queue = Arena("4 MiB").queue(maxsize=10)
    >>> queue.put("hello")
    >>> queue.qsize(), queue.get()
    (1, 'hello')
    >>> queue.close()
    """

    def __init__(
        self,
        arena: Any,
        name: str | None = None,
        *,
        maxsize: int | None = None,
        nbytes: int | str | None = None,
    ) -> None:
        limit = None if maxsize is None else whole(maxsize, "maxsize", most=(1 << 32) - 1)
        a = arena._open

        def make() -> RingLayout:
            return _layout(a.layout, limit or 0, nbytes)

        def check(layout: RingLayout) -> None:
            if layout.kind != QUEUE:
                raise ValueError(f"{name!r} is not a queue")
            if limit is not None and layout.limit != limit:
                raise ValueError(
                    f"maxsize is {limit}, but the queue {name!r} was made with {layout.limit}; leave "
                    "maxsize out to accept that, or unlink() the queue first"
                )

        if name is None:
            layout = make()
            self._begin(arena, None, open_anonymous(a, layout), layout)
        else:
            self._begin(
                arena, name, *open_named(a, failures.checked_key(name), FOR_QUEUES, make, check)
            )

    def _begin(self, arena: Any, name: str | None, channel: Channel, layout: RingLayout) -> None:
        self._arena = arena
        self._name = name
        self._channel: Channel | None = channel
        self._layout = layout
        self._most = min(MOST_INLINE, layout.n_bytes // 4)

    # -- putting ---------------------------------------------------------------------------------

    def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put an object into the queue.

        Parameters
        ----------
        obj : object
            Any object that `Arena.dumps` accepts.
        block : bool, optional
            Wait if the queue is full. Default: True.
        timeout : float, optional
            Seconds to wait, also for room in the arena. By default waits for the queue as long as it
            takes, and does not wait for the arena.

        Raises
        ------
        queue.Full
            If the queue is still full, or its messages have all tickets of the arena. The error says how
            many messages wait.
        OutOfPages
            If the arena has no room for the message.
        ValueError
            If this queue object was closed.
        pagebuddy.ShutDown
            If the queue was unlinked. Since Python 3.13, this is ``queue.ShutDown``.
        Exception
            What `Arena.dumps` raises. After any of these errors nothing was put, and nothing stays in
            the arena.

        Notes
        -----
        Takes as long as `Arena.dumps`.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> queue = Arena("4 MiB").queue()
        >>> queue.put({"frame": 7})
        >>> queue.get()
        {'frame': 7}
        """
        channel = self._channel
        if channel is None:
            raise _closed()
        end = None if block and timeout is None else deadline(block, timeout)
        try:
            rest = channel.send(self._arena, obj, packed_message, self._most)
        except OutOfPages as error:
            if timeout is None or error.requested > self._arena.n_pages:
                raise
            rest = self._sent_later(channel, obj, end)
        if rest is not None:
            body, data, answer = rest
            waited = timeout if block else None
            asleep(channel, R_GETS, self._putting(channel, body, data, answer, end, waited), end)

    async def aput(self, obj: Any) -> None:
        """Put an object into the queue, in an asyncio event loop: other tasks run while it is full.

        Parameters
        ----------
        obj : object
            Any object that `Arena.dumps` accepts.

        Raises
        ------
        asyncio.CancelledError
            If the task is cancelled while it waits; then nothing was put.
        Exception
            What `put` raises, but not `queue.Full`.

        Notes
        -----
        Limit the time with `asyncio.wait_for` or `asyncio.timeout`.

        Examples
        --------
        >>> import asyncio
        >>> from pagebuddy import Arena
        >>> async def main():
        ...     queue = Arena("4 MiB").queue()
        ...     await queue.aput({"frame": 7})
        ...     return await queue.aget()
        >>> asyncio.run(main())
        {'frame': 7}
        """
        channel = self._opened()
        rest = channel.send(self._arena, obj, packed_message, self._most)
        if rest is not None:
            body, data, answer = rest

            def due(is_changed: bool, n_woken: int, is_tick: bool) -> bool:
                return is_changed or (is_tick and n_woken == 0)

            steps = self._putting(channel, body, data, answer, None, None)
            await awaited((id(channel), R_GETS), channel, R_GETS, steps, due)

    def _sent_later(self, channel: Channel, obj: Any, end: float | None) -> Any:
        """`Channel.send`, when the arena has room. Raises `OutOfPages` if it has none in time."""
        while True:
            channel.sleep(R_GETS, channel.announce(R_GETS), sleep_ms(end, 10))
            self._opened()
            try:
                return channel.send(self._arena, obj, packed_message, self._most)
            except OutOfPages:
                if end is None or is_over(end):
                    raise

    def _putting(
        self,
        channel: Channel,
        body: Any,
        data: bytes,
        answer: int,
        end: float | None,
        waited: float | None,
    ) -> Generator[int, None, None]:
        """Put a message; yield when it is to sleep. Raises `Full` if there is no room in time."""
        while answer not in (DONE, CLOSED):
            seen = channel.announce(R_GETS)
            answer = channel.put(data, body)
            if answer in (DONE, CLOSED):
                break
            if is_over(end):
                raise Full(self._full(channel, answer, waited))
            yield seen
            self._opened()
            # A dead process may have the oldest message in hand.
            channel.end_what_the_dead_own()
        if answer == CLOSED:
            raise ShutDown(f"{self._called()} was unlinked; make it again with arena.queue()")

    def put_nowait(self, obj: Any) -> None:
        """Put an object into the queue without waiting.

        Parameters
        ----------
        obj : object
            Any object that `Arena.dumps` accepts.

        Raises
        ------
        queue.Full
            If the queue is full.
        Exception
            All others that `put` raises.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> queue = Arena("4 MiB").queue()
        >>> queue.put_nowait("hello")
        >>> queue.get_nowait()
        'hello'
        """
        self.put(obj, block=False)

    def put_many(
        self, objs: Iterable[Any], block: bool = True, timeout: float | None = None
    ) -> int:
        """Put several objects, one after the other.

        Parameters
        ----------
        objs : iterable
            The objects.
        block : bool, optional
            Wait if the queue is full. Default: True.
        timeout : float, optional
            Seconds to wait for all of them together. By default waits as long as it takes.

        Returns
        -------
        int
            How many were put: all, or those for which there was room in time.

        Raises
        ------
        Exception
            What `put` raises, but not `queue.Full`. The objects before stay in the queue.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> queue = Arena("4 MiB").queue(maxsize=2)
        >>> queue.put_many([1, 2, 3], block=False)
        2
        """
        end = deadline(block, timeout)
        count = 0
        for obj in objs:
            left = None if end is None else max(end - time.monotonic(), 0.0)
            try:
                self.put(obj, block and left != 0.0, left)
            except Full:
                break
            count += 1
        return count

    # -- getting ---------------------------------------------------------------------------------

    def get(
        self, block: bool = True, timeout: float | None = None, *, while_producers: bool = False
    ) -> Any:
        """Take the next object out of the queue.

        Parameters
        ----------
        block : bool, optional
            Wait if the queue is empty. Default: True.
        timeout : float, optional
            Seconds to wait. By default waits as long as it takes.
        while_producers : bool, optional
            Wait only as long as there is a process that put something into the queue, lives, and has not
            closed it. If there never was one, wait for the first. Default: False.

        Returns
        -------
        object
            The object, as `Arena.loads` returns it.

        Raises
        ------
        queue.Empty
            If the queue is still empty.
        pagebuddy.ShutDown
            If the queue was unlinked and is empty, or with `while_producers` if all producers are gone.
            Since Python 3.13, this is ``queue.ShutDown``.
        ValueError
            If this queue object was closed.
        CorruptMetadata
            If the words of the queue, or the bytes of the message, were overwritten.
        Exception
            What unpickling the object raises; then the message is gone. After any other exception, such
            as KeyboardInterrupt, the message is still in the queue.

        Notes
        -----
        Takes as long as `Arena.loads` if a message is there. A waiting process first looks for a message
        for some microseconds, and then sleeps.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> queue = Arena("4 MiB").queue()
        >>> queue.get(timeout=0.01)
        Traceback (most recent call last):
            ...
        _queue.Empty: the queue is empty, and nothing was put within 0.01 seconds
        """
        channel = self._channel
        if channel is None:
            raise _closed()
        if timeout is not None:
            failures.seconds(timeout)
        message = None
        try:
            message = channel.receive(unpacked_message)
            if message is None and block and channel.spin():
                message = channel.receive(unpacked_message)
            if message is None:
                message = self._awaited(channel, deadline(block, timeout), while_producers)
                if message is None:
                    raise Empty(self._empty(block, timeout))
                channel.opened(message, unpacked_message)
            return message.received
        except BaseException:
            if message is not None:
                # A traceback would keep it.
                channel.settle(message)
            raise

    async def aget(self, *, while_producers: bool = False) -> Any:
        """Take the next object out of the queue, in an asyncio event loop: other tasks run meanwhile.

        Parameters
        ----------
        while_producers : bool, optional
            As in `get`. Default: False.

        Returns
        -------
        object
            The object, as `Arena.loads` returns it.

        Raises
        ------
        asyncio.CancelledError
            If the task is cancelled while it waits; then no message was taken.
        Exception
            What `get` raises, but not `queue.Empty`.

        Notes
        -----
        Limit the time with `asyncio.wait_for` or `asyncio.timeout`. One thread for each event loop waits
        for all its queues. It ends when nothing is awaited any more, and when the loop is closed. A
        message that is there is returned at once, before other tasks run.

        Examples
        --------
        >>> import asyncio
        >>> from pagebuddy import Arena
        >>> queue = Arena("4 MiB").queue()
        >>> async def main():
        ...     message = asyncio.create_task(queue.aget())
        ...     await queue.aput("hello")
        ...     return await message
        >>> asyncio.run(main())
        'hello'
        """
        channel = self._opened()
        message = None
        try:
            message = channel.receive(unpacked_message)
            if message is None:
                message = await self._awaited_in_loop(channel, while_producers)
                channel.opened(message, unpacked_message)
            return message.received
        except BaseException:
            if message is not None:
                # A traceback would keep it.
                channel.settle(message)
            raise

    def _awaited(self, channel: Channel, end: float | None, while_producers: bool) -> Any:
        """Wait for a message and take it; None if none came in time. Raises `ShutDown`."""
        return asleep(channel, R_PUTS, self._taking(channel, end, while_producers), end)

    async def _awaited_in_loop(self, channel: Channel, while_producers: bool) -> Any:
        """Wait for a message and take it. Raises `ShutDown`."""

        def due(is_changed: bool, n_woken: int, is_tick: bool) -> bool:
            n_ready = channel.n_ready()
            if n_ready > n_woken or channel.is_ended():
                return True
            # A producer left, or a process died with a message in hand.
            if while_producers:
                return is_tick or (is_changed and n_ready == 0)
            return is_tick and n_woken == 0 and channel.n_cells_used() > 0

        key = (id(channel), R_PUTS, while_producers)
        steps = self._taking(channel, None, while_producers)
        return await awaited(key, channel, R_PUTS, steps, due)

    def _taking(
        self, channel: Channel, end: float | None, while_producers: bool
    ) -> Generator[int, None, Any]:
        """Take a message; None if none came in time. Yields when it is to sleep. Raises `ShutDown`."""
        message = channel.take()
        try:
            while not message:
                if message is False:
                    raise ShutDown(f"{self._called()} was unlinked, and is empty")
                seen = channel.announce(R_PUTS)
                message = channel.take()
                if message is None:
                    if channel.n_cells_used():
                        # A dead process may have a message in hand, and memory with it.
                        channel.end_what_the_dead_own()
                    if while_producers and self._has_no_producers(channel):
                        raise ShutDown(f"{self._called()} is empty, and all its producers are gone")
                    if is_over(end):
                        return None
                    yield seen
                    self._opened()
            return message
        finally:
            if not message:
                channel.wake_next()

    def _has_no_producers(self, channel: Channel) -> bool:
        living, _, put = channel.counts()
        if living or not put:
            return False
        channel.end_what_the_dead_own()
        return not channel.n_pending()

    def get_nowait(self) -> Any:
        """Take the next object out of the queue without waiting.

        Returns
        -------
        object
            The object, as `Arena.loads` returns it.

        Raises
        ------
        queue.Empty
            If the queue is empty.
        Exception
            All others that `get` raises.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> queue = Arena("4 MiB").queue()
        >>> queue.put("hello")
        >>> queue.get_nowait()
        'hello'
        """
        return self.get(block=False)

    def get_many(self, max: int, timeout: float | None = None) -> list[Any]:  # noqa: A002
        """Take several objects out of the queue: wait for the first, and take what is there.

        Parameters
        ----------
        max : int
            The most objects to take, at least 1.
        timeout : float, optional
            Seconds to wait for the first. By default waits as long as it takes.

        Returns
        -------
        list
            1 to `max` objects, in order.

        Raises
        ------
        queue.Empty
            If the queue is still empty.
        Exception
            All others that `get` raises. If an object behind the first cannot be unpickled, it stays
            in the queue, as do those behind it, and those before it are returned.

        Notes
        -----
        If the process dies in this call, all messages that it has taken are lost.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> queue = Arena("4 MiB").queue()
        >>> queue.put_many("abc")
        3
        >>> queue.get_many(2), queue.get_many(2)
        (['a', 'b'], ['c'])
        """
        most = whole(max, "max", least=1)
        channel = self._opened()
        if timeout is not None:
            failures.seconds(timeout)
        first: Any = None
        messages: list[Any] = []
        try:
            first = channel.receive(unpacked_message)
            if first is None:
                first = self._awaited(channel, deadline(True, timeout), False)
                if first is None:
                    raise Empty(self._empty(True, timeout))
                channel.opened(first, unpacked_message)
            channel.receive_more(messages, most - 1, unpacked_message)
            # Nothing may come between this attribute and the return, not even an assignment.
            return channel.join(first, messages).all_received  # type: ignore[no-any-return]
        except BaseException:
            # A traceback would keep them.
            for each in (first, *messages):
                if each:
                    channel.settle(each)
            raise

    def __iter__(self) -> Iterator[Any]:
        """Return an iterator over the messages, which ends when the queue is closed or unlinked.

        Returns
        -------
        iterator
            Each step takes a message out of the queue, and waits for it as long as it takes.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> queue = Arena("4 MiB").queue()
        >>> queue.put("hello")
        >>> for message in queue:
        ...     print(message)
        ...     queue.close()
        hello
        """
        while self._channel is not None:
            try:
                message = self.get()
            except (ShutDown, ValueError) as error:
                if is_end(error, self.closed):
                    return
                raise
            yield message

    def __aiter__(self) -> ArenaQueue:
        """Return an asynchronous iterator over the messages, which ends as iteration ends.

        Returns
        -------
        ArenaQueue
            The queue itself. Each step is an `aget`.

        Examples
        --------
        >>> import asyncio
        >>> from pagebuddy import Arena
        >>> async def main():
        ...     queue = Arena("4 MiB").queue()
        ...     await queue.aput("hello")
        ...     async for message in queue:
        ...         print(message)
        ...         queue.close()
        >>> asyncio.run(main())
        hello
        """
        return self

    async def __anext__(self) -> Any:
        """Return the next message, or end the iteration."""
        try:
            return await self.aget()
        except (ShutDown, ValueError) as error:
            if is_end(error, self.closed):
                raise StopAsyncIteration from None
            raise

    # -- looking ---------------------------------------------------------------------------------

    def qsize(self) -> int:
        """Return how many messages wait at this moment.

        Returns
        -------
        int
            Other processes may put or get an object at any time.

        Raises
        ------
        ValueError
            If this queue object was closed.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> queue = Arena("4 MiB").queue()
        >>> queue.put("hello")
        >>> queue.qsize()
        1
        """
        return self._opened().n_ready()

    def empty(self) -> bool:
        """Return whether the queue is empty at this moment.

        Returns
        -------
        bool
            Other processes may put or get an object at any time.

        Raises
        ------
        ValueError
            If this queue object was closed.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> Arena("4 MiB").queue().empty()
        True
        """
        return self.qsize() == 0

    def full(self) -> bool:
        """Return whether the queue has as many messages as it may have, at this moment.

        Returns
        -------
        bool
            False does not promise room for a message of any length.

        Raises
        ------
        ValueError
            If this queue object was closed.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> queue = Arena("4 MiB").queue(maxsize=1)
        >>> queue.put("hello")
        >>> queue.full()
        True
        """
        channel = self._opened()
        limit, (tail, head) = self._layout.limit, channel.range_of_numbers()
        return bool(limit and channel.n_pending() >= limit) or head - tail >= self._layout.n_cells

    @property
    def maxsize(self) -> int:
        """How many messages may wait; 0 for any number."""
        return self._layout.limit

    @property
    def name(self) -> str | None:
        """The queue's name; None for a queue without one."""
        return self._name

    @property
    def closed(self) -> bool:
        """Whether this queue object was closed."""
        return self._channel is None

    # -- tasks -----------------------------------------------------------------------------------

    def task_done(self) -> None:
        """Say that the work for a message is done, which `join` waits for.

        Call it once for each message that this process got.

        Raises
        ------
        ValueError
            If it was called more often than this process got messages, or the queue object was closed.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> queue = Arena("4 MiB").queue()
        >>> queue.put("hello")
        >>> message = queue.get()
        >>> queue.task_done()
        >>> queue.join()
        """
        if not self._opened().task_done():
            raise ValueError(
                "task_done() was called more often than this process got messages; call it once for each"
            )

    def join(self, timeout: float | None = None) -> None:
        """Wait until the work for all messages is done: none waits, and `task_done` was called for each.

        The messages that a process got before it died count as done.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait. By default waits as long as it takes.

        Raises
        ------
        TimeoutError
            If there is still work to do. The error says how many messages.
        ValueError
            If this queue object was closed.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> Arena("4 MiB").queue().join()
        """
        channel = self._opened()
        end = deadline(True, timeout)
        while True:
            seen = channel.announce(R_DONES)
            channel.end_what_the_dead_own()
            _, tasks, _ = channel.counts()
            if not tasks:
                return
            if is_over(end):
                raise TimeoutError(
                    f"{tasks} messages of {self._called()} are not done after {timeout} seconds"
                )
            channel.sleep(R_DONES, seen, sleep_ms(end))
            self._opened()

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Close this queue object. Other processes can still use the queue.

        This process counts as a producer no more. Threads and tasks that wait in `get`, `put`, `aget` or
        `aput` of this object raise ValueError, and iterations over it end. A queue without a name ends
        with the last process that has it open, and its messages with it. A second call does nothing.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> queue = Arena("4 MiB").queue()
        >>> queue.close()
        >>> queue.closed
        True
        """
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.leave()
            drop_awaited(channel)

    def unlink(self) -> bool:
        """End the queue: nothing can be put any more, and its name is free.

        What is in the queue can still be got by the processes that have it open; then they raise
        `ShutDown`, and iterations end.

        Returns
        -------
        bool
            True if the name was removed. False if the queue has no name, or if the name no longer exists
            or now belongs to another queue.

        Raises
        ------
        ValueError
            If this queue object was closed.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> arena = Arena("4 MiB")
        >>> queue = arena.queue("frames")
        >>> queue.unlink()
        True
        """
        channel = self._opened()
        channel.end()
        if self._name is None:
            return False
        return forget(self._arena._open, self._name, FOR_QUEUES, channel.buffer())

    def _opened(self) -> Channel:
        channel = self._channel
        if channel is None:
            raise _closed()
        return channel

    def _called(self) -> str:
        return "the queue" if self._name is None else f"the queue {self._name!r}"

    def _full(self, channel: Channel, answer: int, seconds: float | None) -> str:
        """The message for a queue that had no room for so long."""
        n, limit = channel.n_pending(), self._layout.limit
        bound = f"it has room for {self._layout.n_bytes} bytes"
        if answer == NO_TICKETS:
            bound = "the arena has no tickets left for the buffers of another"
        elif limit and n >= limit:
            bound = f"maxsize is {limit}"
        waited = "" if seconds is None else f", and none was received within {seconds} seconds"
        return (
            f"{self._called()} has {n} {'message' if n == 1 else 'messages'}, and {bound}{waited}; "
            "receive some with get(), or wait longer"
        )

    def _empty(self, block: bool, timeout: float | None) -> str:
        """The message for a queue without a message."""
        waited = f", and nothing was put within {timeout} seconds" if block else ""
        return f"{self._called()} is empty{waited}"

    def __reduce__(self) -> Any:
        channel = self._opened()
        if self._name is not None:
            return queue_named, (name_of(type(self)), self._arena, self._name)
        return queue_of_ticket, (name_of(type(self)), self._arena, channel.handle())

    def __enter__(self) -> ArenaQueue:
        self._opened()
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def __repr__(self) -> str:
        name = "" if self._name is None else f" {self._name!r}"
        return f"<ArenaQueue{name} of {self._arena!r}{', closed' if self.closed else ''}>"


def _closed() -> Exception:
    return ValueError("this queue was closed; make another with arena.queue()")


@permanent
def queue_named(kind: str | type, arena: Any, name: str) -> ArenaQueue:
    """Return the queue of this name; pickles of queues call this."""
    return public(kind)(arena, name)  # type: ignore[no-any-return]


@permanent
def queue_of_ticket(kind: str | type, arena: Any, ticket: tuple[int, int]) -> ArenaQueue:
    """Return the queue whose ring a ticket names; pickles of queues without a name call this."""
    cls: type[ArenaQueue] = public(kind)
    self = cls.__new__(cls)
    a = arena._open
    self._begin(arena, None, *channel_over(a, a.claimed(*ticket)))
    return self


def _layout(arena: Any, limit: int, nbytes: int | str | None) -> RingLayout:
    """The numbers of a new queue. Raises TypeError and ValueError."""
    if nbytes is None:
        wanted = max(min(_MIB, arena.data_bytes // 8), _LEAST_BYTES)
        n_bytes = 1 << (wanted.bit_length() - 1)
    else:
        n_bytes = 1 << (max(bytes_of(nbytes, "nbytes"), _LEAST_BYTES) - 1).bit_length()
    # Messages that are in hand have a cell too. More than the region has room for would be of no use.
    cells = min(2 * limit, n_bytes // _LEAST_MESSAGE) if limit else n_bytes // _USUAL_BYTES
    n_cells = 1 << (min(max(cells, 16), _MOST_CELLS) - 1).bit_length()
    return RingLayout(QUEUE, limit, arena.n_slots, n_cells, n_bytes)
