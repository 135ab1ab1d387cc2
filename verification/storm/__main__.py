"""Run a storm and print the result: `python -m verification.storm`."""

from __future__ import annotations

import argparse
import sys

from pagebuddy import COMPILED, Arena
from verification.storm.weather import Storm


def main() -> int:
    """Run one storm. Return 0 if nothing went wrong, else 1."""
    parser = argparse.ArgumentParser(prog="python -m verification.storm", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--every", type=float, default=0.05, help="seconds between two kills")
    parser.add_argument("--size", default="64 MiB", help="size of the arena")
    parser.add_argument("--lock", choices=("mutex", "file"), default=None)
    parser.add_argument("--limit", type=float, default=1.0, help="longest allowed wait in seconds")
    given = parser.parse_args()
    arena = Arena(given.size, lock=given.lock)
    print(f"{'compiled' if COMPILED else 'uncompiled'}, {arena!r}, lock {given.lock or 'default'}")
    storm = Storm(arena, given.processes, given.limit)
    left = storm.rage(given.seconds, given.every, _tell)
    print(
        f"{left.killed} killed ({left.ends}), {left.reaped} reaped, at most {left.used_at_most} of "
        f"{arena.n_pages} pages used, longest reap {left.longest_reap * 1000:.1f} ms, "
        f"{left.used} pages not freed"
    )
    print(left.said, end="", file=sys.stderr)
    return 0 if left.is_calm else 1


def _tell(seconds: float, killed: int) -> None:
    if int(seconds) % 10 == 0:
        print(f"{seconds:5.0f} s: {killed} killed", flush=True)


if __name__ == "__main__":
    sys.exit(main())
