"""The other process of a measurement: however the connection ends, it has nothing to say."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Starts one, sends so much of a message of a thousand bytes, and was removed; {} is what it sends.
GOES = """
import os
from pagebuddy.tools.bench.handovers import _answer_arrays
from pagebuddy.tools.bench.partner import partner
connection = partner(_answer_arrays)
os.write(connection.fileno(), {})
"""


@pytest.mark.parametrize("sent", [b"", b"\0", b"\0\0\3\xe8", b"\0\0\3\xe8some"])
def test_a_message_that_breaks_off(surroundings, sent):
    done = subprocess.run(
        [sys.executable, "-c", GOES.format(sent)],
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
