"""Processes share an allocator and are killed at any instruction: no page is lost or allocated twice.

The metadata is in a file that all processes map. A file lock, which the kernel releases when a process
dies, admits one process at a time. A byte next to it tells the next process whether the previous one
died inside an operation; then it recovers first.

A worker is this file as a script. It writes a line before and after each operation:

    python tests/allocator/test_killed_workers.py MODULE PATH INDEX SEED
"""

from __future__ import annotations

import fcntl
import importlib
import mmap
import os
import random
import selectors
import signal
import subprocess
import sys
from array import array
from collections import Counter
from contextlib import ExitStack, contextmanager

from pagebuddy import OutOfPages, PageRanges
from pagebuddy.testing import NaiveAllocator

RANGES = [(5, 700), (1000, 300)]
METADATA_AT = 64
NONE = (1 << 64) - 1
N_SLOTS = 8
AT_ONCE = 4


class Shared:
    """The mapped file, its allocator, and its lock."""

    def __init__(self, module, path):
        self.lock = os.open(path, os.O_RDWR)
        self.view = memoryview(mmap.mmap(self.lock, 0))
        allocator = importlib.import_module(module).BuddyAllocator
        self.buddy = allocator.attach(self.view[METADATA_AT:])

    @contextmanager
    def entered(self):
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        if self.view[0]:
            self.buddy.recover()
        self.view[0] = 1
        yield self.buddy
        self.view[0] = 0
        fcntl.flock(self.lock, fcntl.LOCK_UN)


# A worker


def tell(*words):
    """Write a line that survives an immediate kill of this process."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def churn_size(index):
    """Return a number of pages that no other worker and no other operation asks for."""
    return 40 + index


def work(module, path, index, seed):
    """Perform operations until killed. Report each one before, and its result after."""
    chance = random.Random(seed)
    shared = Shared(module, path)
    mine = []
    churn = array("Q")
    for _ in range(100 if module == "pagebuddy._compiled" else 2):
        churn.extend(churn_size(index) << 32 | slot for slot in range(N_SLOTS))
        churn.extend(range(N_SLOTS))
    while True:
        act = chance.choice(["alloc", "alloc", "free", "resize", "churn"])
        with shared.entered() as buddy:
            if act == "alloc":
                n_pages = chance.randint(1, 20)
                tell(act, n_pages)
                try:
                    mine.append(buddy.alloc(n_pages))
                    tell("done", mine[-1], n_pages)
                except OutOfPages:
                    tell("done")
            elif act == "churn":
                tell(act, churn_size(index))
                buddy.run(churn, array("Q", [NONE] * N_SLOTS))
                tell("done")
            elif mine and act == "free":
                page = mine.pop(chance.randrange(len(mine)))
                tell(act, page)
                buddy.free(page)
                tell("done", page, 0)
            elif mine:
                page, n_pages = chance.choice(mine), chance.randint(1, 30)
                tell(act, page, n_pages)
                buddy.resize(page, n_pages)
                tell("done", page, buddy.size_of(page))


# The parent


class Worker:
    """A worker process, its output, and the line after which it is killed."""

    def __init__(self, process, kill_after):
        self.process = process
        self.kill_after = kill_after
        self.told = b""

    def read(self):
        """Read the worker's output, and kill it when it is time. Return False once it has ended."""
        some = os.read(self.process.stdout.fileno(), 1 << 16)
        self.told += some
        if self.told.count(b"\n") >= self.kill_after:
            self.process.send_signal(signal.SIGKILL)
        return bool(some)

    def account(self):
        """Return the spans that the worker reported, and the operation that it was in, or None."""
        spans, act = {}, None
        for line in self.told.decode().splitlines():
            word, *numbers = line.split()
            numbers = [int(number) for number in numbers]
            if word != "done":
                act = (word, *numbers)
                continue
            act = None
            if numbers:
                page, n_pages = numbers
                spans[page] = n_pages
                if n_pages == 0:
                    del spans[page]
        return spans, act


def run_and_kill(module, path, n_workers, chance):
    """Run a few workers at a time until all have run and were killed."""
    workers = []
    with ExitStack() as running, selectors.DefaultSelector() as selector:

        def start():
            command = [
                sys.executable,
                __file__,
                module,
                path,
                str(len(workers)),
                str(chance.random()),
            ]
            process = running.enter_context(
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            )
            running.callback(process.kill)
            worker = Worker(process, chance.randint(1, 120))
            workers.append(worker)
            selector.register(process.stdout, selectors.EVENT_READ, worker)

        for _ in range(AT_ONCE):
            start()
        while selector.get_map():
            for key, _ in selector.select():
                if not key.data.read():
                    selector.unregister(key.fileobj)
                    if len(workers) < n_workers:
                        start()
        for worker in workers:
            errors = worker.process.stderr.read().decode()
            assert worker.process.wait() == -signal.SIGKILL, errors
    return workers


def check_accounts(spans, workers):
    """Check that each reported span is allocated, and no other except one per interrupted operation."""
    left = dict(spans)
    may_be_more = Counter()
    freeing = []
    for worker in workers:
        told, act = worker.account()
        if act is not None:
            word, *numbers = act
            if word == "alloc":
                may_be_more[numbers[0]] += 1
            elif word == "churn":
                may_be_more[numbers[0]] += N_SLOTS
            elif word == "free":
                freeing.append((numbers[0], told.pop(numbers[0])))
            else:
                page, asked = numbers
                assert left.pop(page, None) in (told.pop(page), asked)
        for page, n_pages in told.items():
            assert left.pop(page, None) == n_pages, f"the span at {page} is lost"
    # Only now: a span that was being freed may be gone, and another reported at the same page.
    for page, n_pages in freeing:
        if left.get(page) == n_pages:
            del left[page]
    assert Counter(left.values()) <= may_be_more, f"spans {left} were invented"


def test_workers_killed_at_any_instruction_lose_no_pages(module, Buddy, tmp_path, effort):
    path = str(tmp_path / "metadata")
    given = PageRanges(RANGES)
    with open(path, "wb") as file:
        file.truncate(METADATA_AT + Buddy.metadata_size(given))
    with open(path, "r+b") as file:
        made = Buddy(given, metadata=memoryview(mmap.mmap(file.fileno(), 0))[METADATA_AT:])
    del made

    chance = random.Random(11)
    workers = run_and_kill(module, path, effort.pick(8, 12), chance)

    shared = Shared(module, path)
    buddy = shared.buddy
    buddy.recover()
    os.close(shared.lock)
    spans = list(buddy.spans())
    check_accounts(spans, workers)

    model = NaiveAllocator(RANGES)
    for page, n_pages in spans:
        model.take(page, n_pages)
    model.check(buddy)
    once = bytes(buddy.metadata)
    buddy.recover()
    assert bytes(buddy.metadata) == once
    for page, _ in spans:
        buddy.free(page)
    NaiveAllocator(RANGES).check(buddy)


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
