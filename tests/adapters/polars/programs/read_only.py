"""Read a frame in an arena whose pages are mapped read-only: a store to one would end this process.

python read_only.py NAME
"""

import sys

import pagebuddy as pb


def main(name):
    arena = pb.Arena.attach(name, readonly=True)
    column = arena.objects["it"]["number"]
    base, n_bytes = arena._open.extent
    assert base <= column.to_arrow().buffers()[1].address < base + n_bytes
    changed = column.clone()
    changed[0] = 99
    print((column + 1).sum())


if __name__ == "__main__":
    main(sys.argv[1])
