"""A camera and three viewers, each in a terminal of its own. Each viewer gets each frame.
python examples/camera.py NAME view [FRAMES]    in three terminals; draws the frames it has time for
python examples/camera.py NAME film [FRAMES]    in a fourth; 50 frames of a moving test picture a second
"""

import sys
import time

import numpy as np

import pagebuddy as pb


def film(topic: pb.ArenaTopic, n_frames: int) -> None:
    y, x = np.mgrid[:480, :640]
    for number in range(n_frames):
        picture = 127 + 127 * np.sin((x + 9 * number) / 60) * np.cos(y / 40)
        topic.publish((number, picture.astype("u1")))  # one copy, which all viewers share
        time.sleep(0.02)
    print("filmed", n_frames, "frames")


def view(topic: pb.ArenaTopic, n_frames: int) -> None:
    with topic.subscribe() as frames:
        print("waiting for the camera", flush=True)
        for seen, (number, frame) in enumerate(frames, 1):
            if sys.stdout.isatty():
                rows = ("".join(" .:-=+*#%@"[i] for i in row) for row in frame[::24, ::9] // 26)
                print("\x1b[H", *rows, sep="\n")
            print(f"frame {number} of {frame.nbytes} bytes; {frames.missed} missed")
            if seen + frames.missed >= n_frames:
                break


if __name__ == "__main__" and len(sys.argv) > 2 and sys.argv[2] in ("film", "view"):
    topic = pb.Arena.open(sys.argv[1], "64 MiB").topic("camera", history=4)
    (film if sys.argv[2] == "film" else view)(topic, int((*sys.argv, "1000")[3]))
else:
    sys.exit(__doc__)
