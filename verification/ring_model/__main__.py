"""Command line: `python -m verification.ring_model --puts t p --gets 1 1 --deaths 1`."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import fields
from textwrap import wrap

from verification.ring_model.configuration import Configuration
from verification.ring_model.flaws import Flaw
from verification.ring_model.search import search
from verification.sharing_model.search import MAX_STATES

BOUNDS = {
    "cells": "cells of the ring",
    "batch": "messages that a consumer takes at once",
    "ticks": "entries for tickets",
    "deaths": "maximum number of processes that are killed",
    "faults": "maximum number of exceptions",
}

SWITCHES = {
    "unlinks": "the first producer unlinks the ring at the end",
    "closes": "producers close the queue at the end, and consumers get until all have",
    "newcomers": "slots of killed processes are taken by others",
    "fine": "waits and wakes are several steps",
    "slices": "waits end after their slice also if no process was killed",
    "topic": "the ring is a topic",
    "block": "publishers wait for subscribers",
}

DEFAULTS = {field.name: field.default for field in fields(Configuration)}


def parser() -> argparse.ArgumentParser:
    """Return the argument parser; it has one option for each field of `Configuration`."""
    options = argparse.ArgumentParser(
        prog="python -m verification.ring_model",
        description="Search every interleaving of the protocol of rings, with a kill before any store.",
        epilog="Flaws, with the rule that each breaks:\n"
        + "\n".join(f"  {flaw.value}: {flaw.rule}" for flaw in Flaw),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument(
        "--puts",
        nargs="+",
        default=DEFAULTS["puts"],
        metavar="KINDS",
        help="for each producer its messages: p plain, t with a ticket, T with two, L large",
    )
    options.add_argument(
        "--gets",
        nargs="+",
        type=int,
        default=DEFAULTS["gets"],
        metavar="N",
        help="for each consumer how often it gets",
    )
    for name, what in BOUNDS.items():
        default = DEFAULTS[name]
        options.add_argument(
            f"--{name}", type=int, default=default, help=f"{what}; default {default}"
        )
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
            puts=tuple(given.puts),
            gets=tuple(given.gets),
            **{name: getattr(given, name) for name in (*BOUNDS, *SWITCHES)},
            flaw=Flaw(given.flaw) if given.flaw else None,
        )
    except ValueError as error:
        options.error(str(error))
    start = time.monotonic()
    result = search(configuration, given.max)
    seconds = time.monotonic() - start
    bounds = [f"{name} {getattr(configuration, name)}" for name in BOUNDS]
    puts, gets = " ".join(configuration.puts), " ".join(map(str, configuration.gets))
    switches = [name for name in SWITCHES if getattr(configuration, name)]
    world = " ".join([f"puts {puts}", f"gets {gets}", *bounds, *switches])
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
