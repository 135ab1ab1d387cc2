"""The demonstration, for real: processes, a video, and one of them killed."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np

from pagebuddy.tools.demo.video import SHAPE, Video

FRAMES = 40


def test_a_video_passes_and_a_killed_process_breaks_nothing():
    done = subprocess.run(
        [sys.executable, "-m", "pagebuddy", "demo", "--frames", str(FRAMES)],
        env=os.environ | {"COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    rows = dict(re.findall(r"^ (\S.*?)  +(\d+) +0 +\d+ +\d+ +0 *$", done.stdout, re.M))
    assert rows.keys() == {"multiprocessing.Queue", "through an arena", "one consumer killed"}
    assert rows["multiprocessing.Queue"] == rows["through an arena"] == str(FRAMES)
    assert int(rows["one consumer killed"]) >= FRAMES - 1
    assert "0 with wrong bytes; 0 pages" in " ".join(done.stdout.split())
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_a_wrong_byte_is_seen():
    video, frame = Video(), np.empty(SHAPE, "u1")
    video.paint(300, frame)
    assert video.is_right(300, frame)
    for place in ((0, 0, 0), (999, 999, 2)):
        frame[place] ^= 1
        assert not video.is_right(300, frame)
        frame[place] ^= 1


def test_how_many_frames_is_checked():
    done = subprocess.run(
        [sys.executable, "-m", "pagebuddy", "demo", "--frames", "1"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "--frames" in done.stderr
