"""Run the pair machine for some time: python -m verification.pair_machine --seconds 60."""

from __future__ import annotations

import argparse
import random
import sys
import time

from pagebuddy import COMPILED, Arena
from verification.pair_machine.meeting import pairs, ways_of_everything


def main() -> int:
    """Make pairs of calls meet in every way, in a random order, until the time is over."""
    parser = argparse.ArgumentParser(prog="python -m verification.pair_machine")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    chosen = random.Random(options.seed)
    end = time.monotonic() + options.seconds
    n_pairs = n_met = 0
    while time.monotonic() < end:
        first, second = chosen.choice(pairs())
        for meet in ways_of_everything(Arena, COMPILED).values():
            n_met += meet(first, second)
        n_pairs += 1
    engine = "compiled" if COMPILED else "uncompiled"
    print(f"{engine}: {n_pairs} pairs met {n_met} times; no foreign byte (seed {options.seed})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
