"""Arena: memory that processes share, with an allocator in it."""

from pagebuddy.arena.arena import Arena

__all__ = ["Arena"]
