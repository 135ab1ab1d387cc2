# The extension holds the same classes as the files that it is made of.
from typing import Any

from pagebuddy.allocator import BuddyAllocator as BuddyAllocator

class _Empty:
    def nothing(self, n: Any, *, above: Any = ..., below: Any = ..., align: Any = ...) -> Any: ...
    def plain(self, n: Any, /) -> Any: ...
