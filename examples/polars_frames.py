"""Workers read parts of one polars frame in place, and return frames: polars_frames.py [ROWS]"""

import multiprocessing
import sys

import polars as pl

import pagebuddy as pb
import pagebuddy.adapters.polars


def means_of(part: pl.DataFrame) -> pl.DataFrame:
    return part.group_by("group").agg(pl.col("value").mean()).sort("group")


if __name__ == "__main__":
    n = int((*sys.argv, "1000000")[1])
    frame = pl.select(group=pl.int_range(n) % 3, value=pl.int_range(n) * 0.5)
    with pb.ArenaExecutor(2, multiprocessing.get_context("spawn")) as pool:
        # Copied into the arena once. Its parts are sent as handles.
        frame = pool.arena.loads(pool.arena.dumps(frame))
        for means in pool.map(means_of, frame.iter_slices(n // 4)):
            print(means["value"].to_list())
