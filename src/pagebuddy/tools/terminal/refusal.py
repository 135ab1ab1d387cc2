"""Errors of a command: a sentence on stderr and an exit code, no traceback. Used by all verbs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from textwrap import fill
from typing import NoReturn

from pagebuddy.errors import ArenaNotFound, CorruptMetadata, PageBuddyError
from pagebuddy.tools.terminal.units import shown

WRONG_INSIDE = 1
WRONG_INPUT = 2
NOT_NOW = 3


class MissingExtra(Exception):
    """Packages of an extra are missing.

    >>> print(MissingExtra("plot"))
    this needs more packages; install them with: pip install 'pagebuddy[plot]'
    """

    def __init__(self, extra: str) -> None:
        self.extra = extra
        super().__init__(
            f"this needs more packages; install them with: pip install 'pagebuddy[{extra}]'"
        )


def refuse(message: str, code: int) -> NoReturn:
    """Print a message on stderr, wrapped to the width of a terminal, and exit with this code."""
    told = f"pagebuddy: {shown(' '.join(message.split()))}"
    # None if the caller closed stderr.
    if sys.stderr is not None:
        if columns := _columns():
            told = fill(told, columns, break_long_words=False, break_on_hyphens=False)
        sys.stderr.write(f"{told}\n")
    raise SystemExit(code)


def plain(message: str) -> str:
    """An error message of typer, worded like ours.

    >>> plain("Invalid value for '--at': Value error, 'no' is not one of 'fullest', 'end'.")
    "invalid value for '--at': 'no' is not one of 'fullest', 'end'"
    >>> plain("Invalid value for '--rounds': Input should be greater than or equal to 1")
    "invalid value for '--rounds': it must be greater than or equal to 1"
    >>> plain("Input should be a valid number, unable to parse string as a number")
    'it must be a valid number'
    """
    told = message.replace("Value error, ", "").replace("Input should be", "it must be")
    told = told.partition(", unable to parse")[0].removesuffix(".")
    return told[:1].lower() + told[1:]


def _columns() -> int:
    """The width of the terminal on stderr in columns; 0 if unknown or not a terminal."""
    with suppress(OSError):
        return os.get_terminal_size(sys.stderr.fileno()).columns
    return 0


def broken(error: CorruptMetadata) -> str:
    """The violated invariant and its place, for a message.

    >>> broken(CorruptMetadata("every free block is in a list", "at page 5"))
    'violated invariant: every free block is in a list (at page 5)'
    """
    detail = f" ({error.detail})" if error.detail else ""
    return f"violated invariant: {error.invariant}{detail}"


@contextmanager
def plain_refusals(arena: str | None = None) -> Iterator[None]:
    """Turn errors of arguments, the system and the engine into a message and an exit code.

    With `arena`, the name that the user gave, a message about damage suggests `pagebuddy check`.
    """
    try:
        yield
    except ArenaNotFound as error:
        refuse(str(error), WRONG_INPUT)
    except CorruptMetadata as error:
        if arena is None:
            refuse(str(error), WRONG_INSIDE)
        refuse(f"{arena} is damaged: {broken(error)}; run: pagebuddy check {arena}", WRONG_INSIDE)
    except (MissingExtra, PageBuddyError, TimeoutError) as error:
        # All slots are taken, memory or disk is full, the lock is not available: nothing is damaged.
        refuse(str(error), NOT_NOW)
    except MemoryError:
        refuse("this machine has too little memory for the metadata of so many pages", NOT_NOW)
    except BrokenPipeError:
        # The reader of the output ended, such as `head`; the command handles it.
        raise
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        refuse(f"{name}{error.strerror or error}", WRONG_INPUT)
    except ValueError as error:
        refuse(str(error), WRONG_INPUT)
