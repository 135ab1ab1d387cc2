"""Command line: `python -m verification.sharing_model --procs 2 --slots 2 --deaths 1`."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import fields
from textwrap import wrap

from verification.sharing_model.configuration import Configuration
from verification.sharing_model.flaws import Flaw
from verification.sharing_model.search import MAX_STATES, search

BOUNDS = {field.name: field.default for field in fields(Configuration) if field.type == "int"}

SWITCHES = {
    "withdraw": "tickets can be withdrawn or expire",
    "resize": "buffers can grow and shrink",
    "detach": "processes can detach and attach again",
    "join": "processes can open a buffer by its offset",
    "magazines": "processes use magazines",
    "groups": "tickets are sent in a group, and those left behind are ended",
    "tied": "tickets are sent that are tied to their senders, and expire after these have ended",
    "lingering": "leases of a killed process end later than its lock",
}


def parser() -> argparse.ArgumentParser:
    """Return the argument parser; it has one option for each field of `Configuration`."""
    options = argparse.ArgumentParser(
        prog="python -m verification.sharing_model",
        description="Search every interleaving of the sharing protocol, with a kill before any store.",
        epilog="Flaws, with the rule that each breaks:\n"
        + "\n".join(f"  {flaw.value}: {flaw.rule}" for flaw in Flaw),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, default in BOUNDS.items():
        options.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    options.add_argument("--nofork", action="store_true", help="processes do not fork")
    for name, what in SWITCHES.items():
        options.add_argument(f"--{name}", action="store_true", help=what)
    names = [flaw.value for flaw in Flaw]
    options.add_argument("--flaw", choices=names, metavar="NAME", help="break a rule; see below")
    options.add_argument("--max", type=int, default=MAX_STATES, help="stop after this many states")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Search and print the result. Return 1 if an invariant is violated, else 0."""
    options = parser()
    given = options.parse_args(arguments)
    try:
        configuration = Configuration(
            **{name: getattr(given, name) for name in BOUNDS},
            **{name: getattr(given, name) for name in SWITCHES},
            fork=not given.nofork,
            flaw=Flaw(given.flaw) if given.flaw else None,
        )
    except ValueError as error:
        options.error(str(error))
    start = time.monotonic()
    result = search(configuration, given.max)
    seconds = time.monotonic() - start
    bounds = [f"{name} {getattr(configuration, name)}" for name in BOUNDS]
    world = " ".join([*bounds, *(name for name in SWITCHES if getattr(configuration, name))])
    if result.violation:
        outcome = f"VIOLATION: {result.violation}"
    elif result.complete:
        outcome = "COMPLETE, no violation"
    else:
        outcome = "STOPPED, no violation so far"
    print(f"{outcome} [{given.flaw or 'no flaw'}]")
    print(*wrap(world), sep="\n")
    print(f"{result.states} states, {result.transitions} transitions, {seconds:.1f} s")
    for line in result.trace:
        print("   ", line)
    return 1 if result.violation else 0


if __name__ == "__main__":
    sys.exit(main())
