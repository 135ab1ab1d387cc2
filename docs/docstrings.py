"""How the reference shows our docstrings, which are written to be read in the source.

There an example stands as a doctest, and what is given stands in two columns; Markdown would make quotes
of the one and a paragraph of the other. mkdocs.yml names this file as an extension of griffe.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

GIVEN = re.compile(r"(?P<name>[\w*]+) {2,}(?P<text>\S.*)")
NAMED = re.compile(r"(?<![\[`])`(?P<name>[A-Z]\w+)(?:\.[a-z]\w*)*`(?!`)")


class Docstrings(griffe.Extension):
    """Makes Markdown of every docstring that is loaded."""

    def on_object(self, *, obj: griffe.Object, **more: Any) -> None:
        if obj.docstring:
            public = set(map(str, obj.package.exports or ()))
            own = {part for part in obj.path.split(".") if part in public}
            obj.docstring.value = as_markdown(obj.docstring.value, public - own)


def as_markdown(text: str, linked: set[str] = frozenset()) -> str:
    """A docstring as Markdown, in which public names are links to where they are explained.

    >>> print(as_markdown("Make it.\\n\\nsize  in bytes,\\n      or text"))
    Make it.
    <BLANKLINE>
    - `size`: in bytes,
      or text
    """
    parts = (_part(part, linked) for part in re.split(r"\n\s*\n", text.strip("\n")))
    return "\n\n".join(parts)


def _part(part: str, linked: set[str]) -> str:
    if part.startswith(">>> "):
        return f"```pycon\n{part}\n```"
    if part.startswith("    "):
        return part
    lines: list[str] = []
    in_columns = False
    for line in part.split("\n"):
        given = GIVEN.fullmatch(line)
        if given:
            # A list begins after an empty line.
            lines += [] if in_columns or not lines else [""]
            lines.append(f"- `{given['name']}`: {given['text']}")
            in_columns = True
        elif line.startswith("- ") and lines and not lines[-1].startswith(("- ", "  ")):
            lines += ["", line]
        elif in_columns and line.startswith("  "):
            lines.append(f"  {line.strip()}")
        else:
            lines += [""] if in_columns else []
            lines.append(line)
            in_columns = False
    return NAMED.sub(lambda name: _link(name, linked), "\n".join(lines))


def _link(found: re.Match[str], linked: set[str]) -> str:
    if found["name"] not in linked:
        return found[0]
    return f"[{found[0]}][pagebuddy.{found[0].strip('`')}]"
