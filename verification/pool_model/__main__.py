"""Command line: `python -m verification.pool_model --calls 3 --batch 2 --deaths 1`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields

from verification import model_command
from verification.pool_model.configuration import Configuration
from verification.pool_model.flaws import Flaw
from verification.pool_model.search import search

BOUNDS = {
    "workers": "worker processes",
    "calls": "calls of the pool",
    "batch": "calls that are sent as one message",
    "deaths": "maximum number of workers that are killed",
    "takes": "how often calls are taken back at most",
    "retries": "how often a call is sent again whose worker died",
}

SWITCHES = {"late": "a worker may finish a message after it has started calls of it"}

DEFAULTS = {field.name: field.default for field in fields(Configuration)}


def parser() -> argparse.ArgumentParser:
    """Return the argument parser; it has one option for each field of `Configuration`."""
    options = model_command.new_parser(
        "pool_model", "the protocol of pools", {flaw.value: flaw.rule for flaw in Flaw}
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
            **{name: getattr(given, name) for name in (*BOUNDS, *SWITCHES)},
            flaw=Flaw(given.flaw) if given.flaw else None,
        )

    def world(configuration: Configuration) -> list[str]:
        return model_command.described(configuration, BOUNDS, SWITCHES)

    return model_command.run(options, given, make, search, world)


if __name__ == "__main__":
    sys.exit(main())
