"""Publishers and subscribers are killed, wherever they are: the others go on.

python killed_at_a_topic.py START_METHOD POLICY KILLS

Each subscriber checks its messages: their content, and the order of those of each publisher.
"""

from __future__ import annotations

import gc
import multiprocessing
import sys
from itertools import count

import numpy as np

import pagebuddy as pb

EACH = 5


def publish(topic, said, who):
    for number in count():
        topic.publish((who, number, np.full(1 + number * 37 % 3000, number)), timeout=60)
        if number % EACH == 0:
            said.put("published", timeout=60)


def read(topic, said, _):
    last = {}
    with topic.subscribe() as frames:
        for n in count(1):
            who, number, array = frames.get(timeout=60)
            assert (array == number).all()
            assert number > last.get(who, -1)
            last[who] = number
            if n % EACH == 0:
                said.put("read", timeout=60)


def main(method, policy, kills):
    context = multiprocessing.get_context(method)
    arena = pb.Arena("64 MiB")
    topic, said = arena.topic("frames", history=4, policy=policy), arena.queue()
    before = arena.stats().used
    jobs = [publish, read, publish, read]
    born = count()

    def started(job):
        process = context.Process(target=job, args=(topic, said, next(born)), daemon=True)
        process.start()
        return process

    workers = [started(job) for job in jobs]
    for kill in range(int(kills)):
        heard = {"published": 0, "read": 0}
        # Each kill follows news from both sides: nobody is stuck.
        while min(heard.values()) < 2:
            heard[said.get(timeout=60)] += 1
        victim = kill % len(workers)
        workers[victim].kill()
        workers[victim].join()
        workers[victim] = started(jobs[victim])
    for _ in range(10):
        said.get(timeout=60)
    for worker in workers:
        worker.kill()
        worker.join()
    # Whatever they held is free: only the last messages are there.
    for _ in range(4):
        topic.publish(0, timeout=60)
    while not said.empty():
        said.get()
    gc.collect()
    arena.reap(unclaimed_after=0)
    arena.verify()
    assert (arena.stats().used, arena.stats().tickets) == (before, 0), list(arena.buffers())
    assert len(arena.processes()) == 1


if __name__ == "__main__":
    main(*sys.argv[1:])
