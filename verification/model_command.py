"""What the command lines of the models share: common options, the search, and how its result is told."""

from __future__ import annotations

import argparse
import time
from textwrap import wrap
from typing import TYPE_CHECKING, TypeVar

from verification.sharing_model.search import MAX_STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from verification.sharing_model.search import Result

C = TypeVar("C")


def new_parser(model: str, subject: str, rules: dict[str, str]) -> argparse.ArgumentParser:
    """Return a parser with the options of every model. `rules` has the rule that each flaw breaks."""
    options = argparse.ArgumentParser(
        prog=f"python -m verification.{model}",
        description=f"Search every interleaving of {subject}, with a kill before any store.",
        epilog="Flaws, with the rule that each breaks:\n"
        + "\n".join(f"  {flaw}: {rule}" for flaw, rule in rules.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--flaw", choices=rules, metavar="NAME", help="break a rule; see below")
    options.add_argument("--max", type=int, default=MAX_STATES, help="stop after this many states")
    return options


def add_bounds(
    options: argparse.ArgumentParser, bounds: dict[str, str], defaults: dict[str, object]
) -> None:
    """Add options for whole numbers. `bounds` has the help for each."""
    for name, what in bounds.items():
        default = defaults[name]
        options.add_argument(
            f"--{name}", type=int, default=default, help=f"{what}; default {default}"
        )


def add_switches(options: argparse.ArgumentParser, switches: dict[str, str]) -> None:
    """Add options without a value. `switches` has the help for each."""
    for name, what in switches.items():
        options.add_argument(f"--{name}", action="store_true", help=what)


def described(configuration: object, bounds: Iterable[str], switches: Iterable[str]) -> list[str]:
    """Return the bounds with their numbers, and the switches that are on."""
    numbers = [f"{name} {getattr(configuration, name)}" for name in bounds]
    return [*numbers, *(name for name in switches if getattr(configuration, name))]


def run(
    options: argparse.ArgumentParser,
    given: argparse.Namespace,
    make: Callable[[], C],
    search: Callable[[C, int], Result],
    world: Callable[[C], list[str]],
) -> int:
    """Search and print the result. Return 1 if an invariant is violated, else 0."""
    try:
        configuration = make()
    except ValueError as error:
        options.error(str(error))
    start = time.monotonic()
    result = search(configuration, given.max)
    seconds = time.monotonic() - start
    if result.violation:
        outcome = f"VIOLATION: {result.violation}"
    elif result.complete:
        outcome = "COMPLETE, no violation"
    else:
        outcome = "STOPPED, no violation so far"
    print(f"{outcome} [{given.flaw or 'no flaw'}]")
    print(*wrap(" ".join(world(configuration))), sep="\n")
    print(f"{result.states} states, {result.transitions} transitions, {seconds:.1f} s")
    for line in result.trace:
        print("   ", line)
    return 1 if result.violation else 0
