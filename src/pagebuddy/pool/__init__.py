"""A pool of processes whose arguments and results stay in an arena.

executor  `ArenaExecutor` and its futures
parcel    an object on its way through the pool's pipes
ending    what a pool still refers to when its workers have ended
idle      what an idle worker still refers to
breaking  how the pool of an older Python ends after a worker died
"""
