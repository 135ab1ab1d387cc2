"""Shared memory for Python processes: arrays pass between processes without copies, any process can
allocate and free, and a killed process cannot corrupt or leak memory.

A short tour:

>>> import pagebuddy as pb
>>> arena = pb.Arena("64 MiB")              # or pb.Arena.open("name", "64 MiB"), found by its name
>>> image = arena.zeros((1000, 1000), "u1") # a numpy array in the arena
>>> data = arena.dumps(image)               # a few bytes: send them to another process in any way
>>> arena.loads(data).shape                 # there: the same memory, not a copy
(1000, 1000)
>>> del image                               # freed when no process refers to it any more
>>> arena.stats().used_bytes
0
>>> with pb.ArenaExecutor(1, arena=arena) as pool:    # a process pool that passes arrays like this
...     pool.submit(sum, [1, 2, 3]).result()
6

Arena           memory that processes share: allocate, find by key, send, inspect, repair
Buffer          one allocation with its bytes
ArenaExecutor   a process pool that passes arrays without copies
ArenaQueue      a queue between processes; `Arena.queue` makes one
ArenaTopic      messages for every subscriber; `Arena.topic` makes one
Subscription    the messages of a topic, in order; `ArenaTopic.subscribe` makes one
share_arrays    whether multiprocessing sends arrays as handles
BuddyAllocator  the page allocator alone, for memory of any kind
PageRanges      the pages that a `BuddyAllocator` manages
Stats, ArenaStats  figures of an allocator, and of an arena
PageBuddyError  the base class of all errors
ShutDown        what a queue raises that will never have a message again
WorkerDied      what the call raises whose worker process died

`COMPILED` says whether the engine is the compiled one.
"""

import typing as _typing

from pagebuddy.allocator.ranges import PageRanges
from pagebuddy.allocator.stats import Stats
from pagebuddy.arena.arena import Arena
from pagebuddy.arena.stats import ArenaStats
from pagebuddy.engine import COMPILED, BuddyAllocator, Buffer
from pagebuddy.errors import (
    ArenaClosed,
    ArenaExists,
    ArenaNotFound,
    ArenaSizeWarning,
    BadFree,
    CorruptMetadata,
    OutOfKeys,
    OutOfPages,
    OutOfSlots,
    OutOfTickets,
    PageBuddyError,
    StaleHandle,
)

if _typing.TYPE_CHECKING:
    from pagebuddy.buffers.forking_pickler import share_arrays
    from pagebuddy.messages.queue import ArenaQueue
    from pagebuddy.messages.shut_down import ShutDown
    from pagebuddy.messages.topic import ArenaTopic, Subscription
    from pagebuddy.pool.died import WorkerDied
    from pagebuddy.pool.executor import ArenaExecutor

__version__ = "0.1.0"

__all__ = [
    "Arena",
    "ArenaExecutor",
    "ArenaQueue",
    "ArenaTopic",
    "Subscription",
    "Buffer",
    "ArenaStats",
    "BuddyAllocator",
    "PageRanges",
    "Stats",
    "COMPILED",
    "PageBuddyError",
    "OutOfKeys",
    "OutOfPages",
    "BadFree",
    "StaleHandle",
    "CorruptMetadata",
    "OutOfSlots",
    "OutOfTickets",
    "ArenaExists",
    "ArenaNotFound",
    "ArenaClosed",
    "ArenaSizeWarning",
    "ShutDown",
    "WorkerDied",
    "share_arrays",
    "__version__",
]

# A type checker would take every name for one of these.
if not _typing.TYPE_CHECKING:

    def __getattr__(name):
        """Import what needs `multiprocessing` or `socket` on first use: few programs need it."""
        if name == "ArenaExecutor":
            from pagebuddy.pool.executor import ArenaExecutor as found
        elif name == "WorkerDied":
            from pagebuddy.pool.died import WorkerDied as found
        elif name == "ArenaQueue":
            from pagebuddy.messages.queue import ArenaQueue as found
        elif name == "ShutDown":
            from pagebuddy.messages.shut_down import ShutDown as found
        elif name == "ArenaTopic":
            from pagebuddy.messages.topic import ArenaTopic as found
        elif name == "Subscription":
            from pagebuddy.messages.topic import Subscription as found
        elif name == "share_arrays":
            from pagebuddy.buffers.forking_pickler import share_arrays as found
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found
        return found

    def __dir__():
        """List the names that are imported on first use as well."""
        return sorted({*globals(), *__all__})
