"""A pool of processes whose calls and results travel over rings in an arena.

executor    `ArenaExecutor`: what people call
dispatcher  a pool without its executor: sends calls, receives results, ends calls with them
keeper      the pool's thread, which does this while no caller waits
crew        the worker processes, as the pool's process sees them: starts, deaths, the end
sender      packs calls just before workers take them, and short ones together
calls       calls that were not answered, their futures, and the functions that they name
worker      the process that runs calls
inherited   what a forked worker releases of its parent's
frames      calls and results as bytes
rings       the rings, and the words in which workers note what they have started
died        `WorkerDied`
"""
