"""Two strangers meet by a name and a key, whoever comes first.

python examples/named.py NAME write     in one terminal
python examples/named.py NAME read      in another, now or later
python examples/named.py NAME remove
"""

import sys

import numpy as np

import pagebuddy as pb

KEY = "weights"


def main(name: str, what: str) -> None:
    arena = pb.Arena.open(name, "1 GiB")
    if what == "write":
        weights = arena.alloc(8 * 1_000_000)
        weights.array(dtype=float)[:] = np.linspace(0, 1, 1_000_000)
        # Only now can others find it: they see all of it or the one before.
        weights.keep(KEY, replace=True)
        print("kept", weights.nbytes, "bytes as", KEY)
    elif what == "read":
        if KEY not in arena:
            sys.exit(f"nothing is kept as {KEY}: run `write` first")
        weights = arena[KEY].array(dtype=float)
        print(len(weights), "numbers up to", weights.max())
    elif what == "remove":
        print("removed" if arena.unlink() else "somebody else removed it")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) == 3 else sys.exit(__doc__)
