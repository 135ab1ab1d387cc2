"""The engine's classes as they run uncompiled: what `_compiled` has compiled."""

from pagebuddy.allocator.buddy import BuddyAllocator
from pagebuddy.buffers.attachment import Attachment
from pagebuddy.buffers.buffer import Buffer
from pagebuddy.sharing.request import Request
from pagebuddy.sharing.system.gate import make_mutex, mutex_of_this_build

__all__ = ["BuddyAllocator", "Buffer", "Attachment", "Request", "make_mutex", "mutex_of_this_build"]
