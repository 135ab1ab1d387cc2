"""Arenas: memory that processes share, with an allocator in it.

arena      `Arena`, what users call
making     making and opening arenas of each kind
view       `ArenaView`: what can be observed, which a snapshot has as well
stats      `ArenaStats`, the figures of one moment
recording  recording a process's allocations to a file
fallbacks  how often a drop-in did what the original does instead
"""

from pagebuddy.arena.arena import Arena

__all__ = ["Arena"]
