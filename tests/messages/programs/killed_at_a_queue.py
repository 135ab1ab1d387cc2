"""Producers and consumers are killed, wherever they are: the others go on.

python killed_at_a_queue.py START_METHOD

Each message is checked by whoever gets it. Those that the killed had in hand are lost, at most one each.
"""

from __future__ import annotations

import gc
import multiprocessing
import sys
from contextlib import suppress
from itertools import count
from queue import Empty

import numpy as np

import pagebuddy as pb

KILLS = 12
AFTER = 30


def produce(queue, said):
    for number in count():
        # Lengths on both sides of what travels in the message itself.
        queue.put((number, np.full(1 + number * 37 % 3000, number)))
        if number % 10 == 0:
            said.put("produced", timeout=60)


def consume(queue, said):
    for n in count(1):
        number, array = queue.get()
        assert (array == number).all()
        if n % 10 == 0:
            said.put("consumed", timeout=60)


def main(method):
    context = multiprocessing.get_context(method)
    arena = pb.Arena("64 MiB")
    # A message that waits has a ticket, and a process that is spawned needs some.
    queue, said = arena.queue(maxsize=200), arena.queue()
    before = arena.stats().used
    jobs = [produce, produce, consume, consume]

    def started(job):
        process = context.Process(target=job, args=(queue, said), daemon=True)
        process.start()
        return process

    workers = [started(job) for job in jobs]
    for kill in range(KILLS):
        heard = {"produced": 0, "consumed": 0}
        # Each kill follows news from both sides: nobody is stuck.
        while min(heard.values()) < 2:
            heard[said.get(timeout=60)] += 1
        victim = kill % len(workers)
        workers[victim].kill()
        workers[victim].join()
        workers[victim] = started(jobs[victim])
    for _ in range(AFTER):
        said.get(timeout=60)
    for worker in workers:
        worker.kill()
        worker.join()
    with suppress(Empty):
        while True:
            number, array = queue.get_nowait()
            assert (array == number).all()
    gc.collect()
    number = array = None
    arena.reap(unclaimed_after=0)
    arena.verify()
    assert (arena.stats().used, arena.stats().tickets) == (before, 0), list(arena.buffers())
    assert len(arena.processes()) == 1


if __name__ == "__main__":
    main(sys.argv[1])
