"""Run a page as its reader would: all code blocks in order, in this folder and in one namespace.

Used by test_code_blocks.py. The word behind the fence is the kind of the block:

    pycon                 a session: its output is compared; `...` stands for any text
    python                a program that prints nothing
    python title="F"      a file F for the following blocks
    console               commands after `$ `, with their output; a shell runs them in the same folder
    sh                    commands that only the reader runs: see FOR_THE_READER
    text                  not code

`python run_page.py PAGE.md` exits with 1 if a result differs from the page.
"""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from markdown_it import MarkdownIt

# Commands that need a clone, root, the network or minutes start with one of these.
FOR_THE_READER = (
    "make ",
    "pip install ",
    "sudo pagebuddy record ",
    "python -m verification.",
    "python -m http.server ",
    "dask worker ",
)

KINDS = ("pycon", "python", "console", "sh", "text")
OPTIONS = doctest.ELLIPSIS


@dataclass(frozen=True)
class Block:
    """A block of a page: its kind, its text, and its first line."""

    kind: str
    title: str
    text: str
    line: int


def blocks_of(text: str) -> Iterator[Block]:
    """Yield the blocks of a page. The kind of a block without a word behind its fence is ""."""
    for token in MarkdownIt().parse(text):
        if token.type in ("fence", "code_block"):
            kind, _, rest = token.info.partition(" ")
            title = re.search(r'title="([^"]*)"', rest)
            assert token.map
            yield Block(kind, title[1] if title else "", token.content, token.map[0] + 2)


class Page:
    """The page that is run, and whether all results so far agreed with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Names that a page defines must be in `__main__`, as in a reader's session.
        self.module = sys.modules["__main__"] = ModuleType("__main__")
        self.sound = True

    def run(self) -> bool:
        for block in blocks_of(self.path.read_text(encoding="utf-8")):
            if block.kind == "pycon":
                self.session(block)
            elif block.kind == "python" and block.title:
                Path(block.title).write_text(block.text, encoding="utf-8")
            elif block.kind == "python":
                # Empty lines before it, so that a traceback names the line of the page.
                code = "\n" * (block.line - 1) + block.text
                exec(compile(code, str(self.path), "exec"), vars(self.module))
            elif block.kind == "console":
                self.console(block)
        return self.sound

    def session(self, block: Block) -> None:
        name = self.path.name
        test = doctest.DocTestParser().get_doctest(
            block.text, {}, name, str(self.path), block.line - 1
        )
        test.globs = vars(self.module)
        failed = doctest.DocTestRunner(optionflags=OPTIONS).run(test, clear_globs=False).failed
        self.sound = self.sound and failed == 0

    def console(self, block: Block) -> None:
        before, *parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
        assert before == "", f"{self.path}:{block.line}: a command begins with '$ '"
        for part in parts:
            command, _, wanted = part.partition("\n")
            while command.endswith("\\"):
                more, _, wanted = wanted.partition("\n")
                command += f"\n{more}"
            done = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, text=True)
            got = re.sub(r" +$", "", done.stdout, flags=re.MULTILINE)
            as_wanted = doctest.OutputChecker().check_output(wanted, got, OPTIONS)
            if done.returncode != 0 or not as_wanted:
                self.sound = False
                print(f"{self.path}:{block.line}: $ {command}\nstatus {done.returncode}, printed:")
                print(f"{got}\nwanted:\n{wanted}")


if __name__ == "__main__":
    sys.path[0] = ""
    sys.exit(not Page(Path(sys.argv[1])).run())
