"""Puts the output of `pagebuddy VERB --help` in 80 columns into the reference. A hook of mkdocs.yml.

It replaces each line `<!-- pagebuddy VERB --help -->` of a page.
"""

from __future__ import annotations

import re
from typing import Any

HELP = re.compile(r"^<!-- pagebuddy( \w+)? --help -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **more: Any) -> str:
    """Replace the marks of a page; mkdocs calls this for each page."""
    return HELP.sub(lambda found: f"```text\n{help_of((found[1] or '').split())}\n```", markdown)


def help_of(verb: list[str]) -> str:
    """The help of a verb, or of the command itself for an empty list."""
    from typer.testing import CliRunner

    from pagebuddy.tools.command import build

    plain = {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
    asked = CliRunner().invoke(build(), [*verb, "--help"], prog_name="pagebuddy", env=plain)
    if asked.exit_code != 0:
        raise RuntimeError(f"pagebuddy {' '.join(verb)} --help: {asked.output}")
    return asked.stdout.strip()
