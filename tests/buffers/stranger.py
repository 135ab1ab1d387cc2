"""Another process of an arena: it takes all that is free, and writes over it."""

import sys

from pagebuddy import Arena


def overwrite(arena):
    """Store 0xFF in every byte that can be had; return how many pages these were."""
    taken = []
    while n := arena.stats().largest_free:
        taken.append(arena.alloc(n * arena.page_size))
        taken[-1].view[:] = b"\xff" * len(taken[-1])
    return sum(buffer.capacity for buffer in taken) // arena.page_size


def main():
    """Do that to every arena whose name is told, and answer with the pages."""
    for line in sys.stdin:
        with Arena.attach(line.strip()) as arena:
            n_pages = overwrite(arena)
        del arena
        print(n_pages, flush=True)


if __name__ == "__main__":
    main()
