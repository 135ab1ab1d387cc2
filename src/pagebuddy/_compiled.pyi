# The extension holds the same classes as the files that it is made of.
from typing import Any

from pagebuddy.allocator.buddy import BuddyAllocator as BuddyAllocator
from pagebuddy.buffers.attachment import Attachment as Attachment
from pagebuddy.buffers.buffer import Buffer as Buffer
from pagebuddy.buffers.source import BufferSource as BufferSource
from pagebuddy.buffers.source import describe_alloc as describe_alloc
from pagebuddy.sharing.request import Request as Request

def mutex_of_this_build() -> int: ...
def make_mutex(words: memoryview) -> None: ...

class _Bench:
    def nothing(self, n: Any, *, above: Any = ..., below: Any = ..., align: Any = ...) -> Any: ...
    def plain(self, n: Any, /) -> Any: ...
    def pairs(self, buddy: BuddyAllocator, n: int, count: int) -> None: ...
