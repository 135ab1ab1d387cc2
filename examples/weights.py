"""A trainer broadcasts its weights to evaluators that come and go. Each gets the newest at once.

python examples/weights.py NAME train [STEPS]        in one terminal
python examples/weights.py NAME evaluate [ROUNDS]    in others, before, meanwhile, or later
"""

import sys

import numpy as np

import pagebuddy as pb


def train(arena: pb.Arena, n_steps: int) -> None:
    # Evaluators that are slower than the trainer get the newest weights alone.
    topic = arena.topic("weights", history=1)
    weights = np.zeros(1_000_000)
    for step in range(n_steps):
        weights += (1 - weights) / 2  # this is where it learns
        topic.publish({"step": step, "weights": weights})  # copied into the arena once
    print(f"trained {n_steps} steps")


def evaluate(arena: pb.Arena, n_rounds: int) -> None:
    arena.wait_for("weights")
    with arena.topic("weights").subscribe(replay=1) as versions:
        for _ in range(n_rounds):
            version = next(versions)
            error = abs(1 - version["weights"]).max()
            print(f"step {version['step']}: error {error:.4f}, {versions.missed} missed")


if __name__ == "__main__" and len(sys.argv) > 2 and sys.argv[2] in ("train", "evaluate"):
    task = train if sys.argv[2] == "train" else evaluate
    task(pb.Arena.open(sys.argv[1], "128 MiB"), int((*sys.argv, "10")[3]))
else:
    sys.exit(__doc__)
