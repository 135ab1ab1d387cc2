"""A store in a file: every run finds the arrays that the previous runs kept, and adds one.

python examples/file.py store.pb
"""

import sys

import numpy as np

import pagebuddy as pb


def main(path: str) -> None:
    store = pb.Arena.file(path, "1 GiB")
    kept = store.keys()
    for key in kept:
        values = store[key].array(dtype="f4")
        print(f"{key}: {len(values)} values up to {values.max():g}")
    run = len(kept) + 1
    buffer = store.alloc(4 * 1000 * run)  # in bytes: 1000 * run values of 4 bytes
    buffer.array(dtype="f4")[:] = np.arange(1000 * run)
    # `keep` returns when the buffer is on disk. A run that is killed earlier leaves nothing behind.
    buffer.keep(f"run {run}")
    print(f"kept run {run}; {store.stats().used_bytes} bytes in use")


if __name__ == "__main__":
    main(sys.argv[1]) if len(sys.argv) == 2 else sys.exit(__doc__)
