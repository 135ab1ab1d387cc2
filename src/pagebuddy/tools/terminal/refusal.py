"""Errors as a command tells them: a sentence on stderr and an exit code, no traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from textwrap import fill
from typing import NoReturn

from pagebuddy.errors import ArenaNotFound, CorruptMetadata, PageBuddyError

WRONG_INSIDE = 1
WRONG_INPUT = 2


class MissingExtra(Exception):
    """What was asked for needs packages of an extra that is not installed.

    >>> print(MissingExtra("plot"))
    this needs more packages; install them with: pip install 'pagebuddy[plot]'
    """

    def __init__(self, extra: str) -> None:
        self.extra = extra
        super().__init__(
            f"this needs more packages; install them with: pip install 'pagebuddy[{extra}]'"
        )


def refuse(message: str, code: int) -> NoReturn:
    """Say why, in one line, or in a terminal in as many as it takes; and exit."""
    told = f"pagebuddy: {' '.join(message.split())}"
    # None where it was closed.
    if sys.stderr is not None:
        if columns := _columns():
            told = fill(told, columns, break_long_words=False, break_on_hyphens=False)
        sys.stderr.write(f"{told}\n")
    raise SystemExit(code)


def _columns() -> int:
    """How wide the terminal is that errors are told in; 0 for none, and where it does not say."""
    with suppress(OSError):
        return os.get_terminal_size(sys.stderr.fileno()).columns
    return 0


def broken(error: CorruptMetadata) -> str:
    """The invariant that does not hold, and where.

    >>> broken(CorruptMetadata("every free block is in a list", "at page 5"))
    'it does not hold that every free block is in a list: at page 5'
    """
    detail = f": {error.detail}" if error.detail else ""
    return f"it does not hold that {error.invariant}{detail}"


@contextmanager
def plain_refusals(arena: str | None = None) -> Iterator[None]:
    """Turn errors about what was given, and those of the engine, into refusals.

    Where the verb is about one arena it is named, and where it is damaged the verb that helps.
    """
    try:
        yield
    except ArenaNotFound as error:
        refuse(str(error), WRONG_INPUT)
    except CorruptMetadata as error:
        if arena is None:
            refuse(str(error), WRONG_INSIDE)
        refuse(f"{arena} is damaged: {broken(error)}; see: pagebuddy check {arena}", WRONG_INSIDE)
    except (MissingExtra, PageBuddyError, TimeoutError) as error:
        refuse(str(error), WRONG_INSIDE)
    except MemoryError:
        refuse("there is not enough memory here for the metadata of so many pages", WRONG_INSIDE)
    except BrokenPipeError:
        # Whoever read what is printed has seen enough; typer ends silently.
        raise
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        refuse(f"{name}{error.strerror or error}", WRONG_INPUT)
    except ValueError as error:
        refuse(str(error), WRONG_INPUT)
