"""Runs the command again and again, each time in a new process that has imported everything already.

Importing takes most of the time of a short command. One request is a line of JSON on stdin: the
arguments, the folder, and the files for stdout and stderr; the answer is the exit code, on stdout.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

import numpy.random  # noqa: F401

from pagebuddy.tools import command


def run(request: dict[str, Any]) -> None:
    """Become the command; never return."""
    code: object = 1
    try:
        os.chdir(request["folder"])
        for number, path in ((0, os.devnull), (1, request["stdout"]), (2, request["stderr"])):
            os.dup2(os.open(path, os.O_RDWR), number)
        sys.argv = ["pagebuddy", *request["arguments"]]
        try:
            command.main()
        except SystemExit as end:
            code = end.code or 0
            if isinstance(code, str):
                print(code, file=sys.stderr)
                code = 1
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code if isinstance(code, int) else 1)


def main() -> None:
    """Answer requests until stdin ends."""
    command.build()
    for line in iter(sys.stdin.buffer.readline, b""):
        pid = os.fork()
        if not pid:
            run(json.loads(line))
        _, status = os.waitpid(pid, 0)
        os.write(1, f"{os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    main()
