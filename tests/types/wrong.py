"""Mistakes that a type checker finds: one in each line that ends in a remark."""

# ruff: noqa: B018, F401

import pagebuddy as pb
from pagebuddy import Arenas  # wrong: no such name

arena = pb.Arena("1 MiB")
pb.Arenaa  # wrong: no such name
pb.Any  # wrong: not a name of this package
pb.Arena(5.0)  # wrong: a size is no float
pb.Arena("1 MiB", page_sizes=4096)  # wrong: no such option
pb.Arena.open("name", "1 MiB", colour=1)  # wrong: no such option
pb.Arena.open("name", "1 MiB", slots="48")  # wrong: not a number
pb.Arena.create("name", "1 MiB", keys=1.5)  # wrong: not a whole number
pb.Arena.file("store.pb", "1 MiB", huge="2 MiB")  # wrong: not for files
arena.alloc(b"5")  # wrong: bytes are no size
arena.alloc(5).resize(nbytes=5)  # wrong: by position alone
arena.alloc(5).nbytes = 7  # wrong: cannot be set
arena.zeros("3")  # wrong: not a shape
arena.empty(3, order="K")  # wrong: no such order
arena.empty(3).shapes  # wrong: an array has no such attribute
pb.BuddyAllocator(64).alloc("5")  # wrong: not a number
pb.BuddyAllocator(64).alloc_order(order=3)  # wrong: by position alone


def doubled(number: int) -> int:
    """A function for a pool."""
    return 2 * number


with pb.ArenaExecutor(2) as pool:
    pool.submit(doubled, "two")  # wrong: the function takes a number
    pool.submit(doubled, numbers=2)  # wrong: no such parameter
    pool.map(doubled, ["two"])  # wrong: the function takes numbers
    pool.map(doubled, [2], [3])  # wrong: the function takes one argument
