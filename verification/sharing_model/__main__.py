"""Command line: `python -m verification.sharing_model --procs 2 --slots 2 --deaths 1`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields

from verification import model_command
from verification.sharing_model.configuration import Configuration
from verification.sharing_model.flaws import Flaw
from verification.sharing_model.search import search

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
    options = model_command.new_parser(
        "sharing_model", "the sharing protocol", {flaw.value: flaw.rule for flaw in Flaw}
    )
    for name, default in BOUNDS.items():
        options.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    options.add_argument("--nofork", action="store_true", help="processes do not fork")
    model_command.add_switches(options, SWITCHES)
    return options


def main(arguments: list[str] | None = None) -> int:
    """Search and print the result. Return 1 if an invariant is violated, else 0."""
    options = parser()
    given = options.parse_args(arguments)

    def make() -> Configuration:
        return Configuration(
            **{name: getattr(given, name) for name in (*BOUNDS, *SWITCHES)},
            fork=not given.nofork,
            flaw=Flaw(given.flaw) if given.flaw else None,
        )

    def world(configuration: Configuration) -> list[str]:
        return model_command.described(configuration, BOUNDS, SWITCHES)

    return model_command.run(options, given, make, search, world)


if __name__ == "__main__":
    sys.exit(main())
