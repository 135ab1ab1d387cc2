"""Programs that meet at a queue by its name: some put jobs, others do them until all of those are gone.

python examples/jobs.py NAME work           in any number of terminals, before or after
python examples/jobs.py NAME put [JOBS]     in others
"""

import sys

import pagebuddy as pb


def put(arena: pb.Arena, jobs: pb.ArenaQueue, n_jobs: int) -> None:
    for number in range(n_jobs):
        # The array stays where it is. If 16 jobs wait, this waits too.
        jobs.put((number, arena.full(100_000, number)))
    print(f"put {n_jobs} jobs")


def work(jobs: pb.ArenaQueue) -> None:
    total = 0
    try:
        while True:
            number, array = jobs.get(while_producers=True)
            print(f"job {number}: {array.mean():.0f}")
            total += 1
    except pb.ShutDown:
        print(f"did {total} jobs; all who put jobs are gone")


if __name__ == "__main__" and len(sys.argv) > 2 and sys.argv[2] in ("put", "work"):
    arena = pb.Arena.open(sys.argv[1], "64 MiB")
    jobs = arena.queue("jobs", maxsize=16)
    put(arena, jobs, int((*sys.argv, "10")[3])) if sys.argv[2] == "put" else work(jobs)
else:
    sys.exit(__doc__)
