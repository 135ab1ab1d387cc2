"""Command line: `python -m verification.ring_model --puts t p --gets 1 1 --deaths 1`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields

from verification import model_command
from verification.ring_model.configuration import Configuration
from verification.ring_model.flaws import Flaw
from verification.ring_model.search import search

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
    options = model_command.new_parser(
        "ring_model", "the protocol of rings", {flaw.value: flaw.rule for flaw in Flaw}
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
    model_command.add_bounds(options, BOUNDS, DEFAULTS)
    model_command.add_switches(options, SWITCHES)
    return options


def main(arguments: list[str] | None = None) -> int:
    """Search and print the result. Return 1 if an invariant is violated, else 0."""
    options = parser()
    given = options.parse_args(arguments)

    def make() -> Configuration:
        return Configuration(
            puts=tuple(given.puts),
            gets=tuple(given.gets),
            **{name: getattr(given, name) for name in (*BOUNDS, *SWITCHES)},
            flaw=Flaw(given.flaw) if given.flaw else None,
        )

    return model_command.run(options, given, make, search, world)


def world(configuration: Configuration) -> list[str]:
    """Return what the search is of, in words."""
    puts, gets = " ".join(configuration.puts), " ".join(map(str, configuration.gets))
    rest = model_command.described(configuration, BOUNDS, SWITCHES)
    return [f"puts {puts}", f"gets {gets}", *rest]


if __name__ == "__main__":
    sys.exit(main())
