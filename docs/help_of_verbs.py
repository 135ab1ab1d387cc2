"""Puts the help of each verb into the reference, as the command itself tells it in 80 columns.

A line `<!-- pagebuddy VERB --help -->` of a page becomes the help. mkdocs.yml names this file as a hook.
"""

from __future__ import annotations

import re
from typing import Any

HELP = re.compile(r"^<!-- pagebuddy( \w+)? --help -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **more: Any) -> str:
    """Called by mkdocs with each page."""
    return HELP.sub(lambda found: f"```text\n{help_of((found[1] or '').split())}\n```", markdown)


def help_of(verb: list[str]) -> str:
    """What the command prints for a verb, or of itself."""
    from typer.testing import CliRunner

    from pagebuddy.tools.command import build

    plain = {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
    asked = CliRunner().invoke(build(), [*verb, "--help"], prog_name="pagebuddy", env=plain)
    if asked.exit_code != 0:
        raise RuntimeError(f"pagebuddy {' '.join(verb)} --help: {asked.output}")
    return asked.stdout.strip()
