"""Two unrelated programs share an array: they agree on the name of an arena and on a key.

python examples/named.py NAME write     in one terminal
python examples/named.py NAME read      in another, now or later
python examples/named.py NAME remove    removes the arena
"""

import sys

import numpy as np

import pagebuddy as pb

KEY = "weights"


def main(name: str, what: str) -> None:
    arena = pb.Arena.open(name, "1 GiB")  # attach to it, or create it
    if what == "write":
        weights = arena.alloc(8 * 1_000_000)  # in bytes
        weights.array(dtype=float)[:] = np.linspace(0, 1, 1_000_000)
        # From now on readers find it. They get all of the new array, or all of the previous one.
        weights.keep(KEY, replace=True)
        print("kept", weights.nbytes, "bytes as", KEY)
    elif what == "read":
        if KEY not in arena:
            sys.exit(f"there is no array named {KEY} yet: run `write` first")
        numbers = arena[KEY].array(dtype=float)
        print(len(numbers), "numbers up to", numbers.max())
    elif what == "remove":
        print("removed" if arena.unlink() else "another process has already removed it")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) == 3 else sys.exit(__doc__)
