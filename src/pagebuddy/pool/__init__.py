"""A pool of processes whose arguments and results stay in an arena.

executor  `ArenaExecutor` and its futures
parcel    an object on its way through the pool's pipes
breaking  how the pool of an older Python ends after a worker died
"""
