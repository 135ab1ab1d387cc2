"""The parent of two busy workers: prints their process ids, and waits to be killed.

python -m tests.pool.programs.parent_of_a_pool ARENA FOLDER
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import numpy as np

import pagebuddy as pb
from tests.pool.tasks import CONTEXT, Meeting, doubled

if __name__ == "__main__":
    name, folder = sys.argv[1:]
    pool = pb.ArenaExecutor(2, CONTEXT, arena=pb.Arena.attach(name))
    meetings = [Meeting(Path(folder), str(n)) for n in range(2)]
    for meeting in meetings:
        pool.submit(meeting.call, np.ones(1 << 20, "u1"))
    # Before the workers have begun with all of these.
    waiting = [pool.submit(doubled, np.ones(1 << 16, "u1")) for _ in range(10)]
    print(*(meeting.worker() for meeting in meetings), flush=True)
    signal.pause()
