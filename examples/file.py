"""A store that survives a restart: every run finds what the runs before it kept.

python examples/file.py store.pb
"""

import sys

import numpy as np

import pagebuddy as pb


def main(path: str) -> None:
    store = pb.Arena.file(path, "1 GiB")
    kept = store.keys()
    for key in kept:
        measured = store[key].array(dtype="f4")
        print(f"{key}: {len(measured)} values up to {measured.max():g}")
    run = len(kept) + 1
    buffer = store.alloc(4 * 1000 * run)
    buffer.array(dtype="f4")[:] = np.arange(1000 * run)
    # On disk when this returns. A run that is killed before leaves nothing behind.
    buffer.keep(f"run {run}")
    print(f"kept run {run}; {store.stats().used} pages in use")


if __name__ == "__main__":
    main(sys.argv[1]) if len(sys.argv) == 2 else sys.exit(__doc__)
