"""The uncompiled engine: the same names as in the extension `_compiled`."""

from pagebuddy.allocator.buddy import BuddyAllocator
from pagebuddy.buffers.attachment import Attachment
from pagebuddy.buffers.buffer import Buffer
from pagebuddy.buffers.segments import forgotten, kept_zeros
from pagebuddy.buffers.source import BufferSource, describe_alloc
from pagebuddy.sharing.request import Request
from pagebuddy.sharing.system.futex import wait_for_any, wake_at
from pagebuddy.sharing.system.gate import make_mutex, mutex_of_this_build

__all__ = [
    "BuddyAllocator",
    "Buffer",
    "Attachment",
    "BufferSource",
    "Request",
    "describe_alloc",
    "forgotten",
    "kept_zeros",
    "make_mutex",
    "mutex_of_this_build",
    "wait_for_any",
    "wake_at",
]
