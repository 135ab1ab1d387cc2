"""Measure arrays between Ray's actors, by the arena and by Ray's object store; print a table.

    python -m benchmarks.adapters.ray --rounds 15

An actor returns an array, another reads its first and last item, and the
program waits for that. The first table is of arrays that the actor has; in the
second it makes them each time, and the transport copies those that it does not
make in the arena. "store, used" is Ray's store in actors that have used another
transport, after which Ray pickles all arrays otherwise. The ways take turns,
with actors of their own. A figure is the median of the rounds.
"""

from __future__ import annotations

import argparse
import os
import time
from statistics import median
from typing import Any

import numpy as np

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray.experimental import register_tensor_transport
from ray.experimental.rdt import tensor_transport_manager

import pagebuddy.adapters.ray as adapter

SIZES = [4096, 1 << 20, 1 << 24, 1 << 27]
STORE_BYTES = 2 << 30

TABLES = [["had_by_store", "had"], ["by_store", "used", "copied", "in_place"]]
NAMES = {
    "had_by_store": "by Ray's store",
    "had": "in the arena",
    "by_store": "made, by the store",
    "used": "store, used",
    "copied": "copied once",
    "in_place": "made in the arena",
}


class Nothing(tensor_transport_manager.TensorTransportManager):
    """A transport that passes nothing on."""

    is_one_sided = can_abort_transport = staticmethod(lambda: True)

    def tensor_transport_backend(self) -> str:
        return "NOTHING"

    def actor_has_tensor_transport(self, actor: Any) -> bool:
        return True

    def extract_tensor_transport_metadata(self, obj_id: str, rdt_object: list[Any]) -> Any:
        told = [(x.shape, x.dtype) for x in rdt_object]
        return tensor_transport_manager.TensorTransportMetadata(told, "cpu")

    def get_communicator_metadata(self, src: Any, dst: Any, backend: Any = None) -> Any:
        return tensor_transport_manager.CommunicatorMetadata()

    def recv_multiple_tensors(self, obj_id: str, told: Any, *others: Any) -> list[Any]:
        return [np.zeros(shape, dtype) for shape, dtype in told.tensor_meta]

    def send_multiple_tensors(self, *args: Any) -> None:
        """Nobody sends."""

    def garbage_collect(self, *args: Any) -> None:
        """Nothing is held."""

    def abort_transport(self, *args: Any) -> None:
        """Nothing takes long."""


def actors() -> Any:
    """Return the class of the actors, once the transport is registered."""

    class Actor:
        """Makes arrays, and takes them."""

        def prepare(self, n: int, value: int, in_arena: bool) -> None:
            self.array = None
            self.array = (adapter.arena() if in_arena else np).full(n, value, "u1")

        def had_by_store(self, n: int, value: int) -> Any:
            return self.array

        @ray.method(tensor_transport="PAGEBUDDY")
        def had(self, n: int, value: int) -> Any:
            return self.array

        def by_store(self, n: int, value: int) -> Any:
            return np.full(n, value, "u1")

        used = by_store

        @ray.method(tensor_transport="NOTHING")
        def use(self) -> Any:
            return np.zeros(3)

        @ray.method(tensor_transport="PAGEBUDDY")
        def copied(self, n: int, value: int) -> Any:
            return np.full(n, value, "u1")

        @ray.method(tensor_transport="PAGEBUDDY")
        def in_place(self, n: int, value: int) -> Any:
            with adapter.arena().numpy_memory():
                return np.full(n, value, "u1")

        def take(self, array: Any) -> int:
            return int(array[0]) + int(array[-1])

        def fallbacks(self) -> dict[str, int]:
            return adapter.fallbacks.counts

    return ray.remote(num_cpus=0, enable_tensor_transport=True)(Actor)


def taken(sender: Any, receiver: Any, n: int, value: int) -> float:
    """Return the seconds that one array takes, with the answer."""
    started = time.perf_counter()
    answer = ray.get(receiver.take.remote(sender.remote(n, value)))
    seconds = time.perf_counter() - started
    if answer != 2 * value:
        raise RuntimeError(f"the answer is {answer}, not {2 * value}")
    return seconds


def measured(pairs: dict[str, Any], n: int, rounds: int) -> list[float]:
    """Return the median of each way, in seconds."""
    seconds: dict[str, list[float]] = {way: [] for way in pairs}
    for i in range(rounds + 2):
        for way, (sender, receiver) in pairs.items():
            if way.startswith("had"):
                ray.get(sender.prepare.remote(n, i, way == "had"))
            sample = taken(getattr(sender, way), receiver, n, i)
            # The first ones make the pages.
            if i >= 2:
                seconds[way].append(sample)
    return [median(each) for each in seconds.values()]


def in_words(n: int) -> str:
    return f"{n >> 20} MiB" if n >= 1 << 20 else f"{n >> 10} KiB"


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.adapters.ray",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=15, help="samples per case (default: 15)")
    rounds = parser.parse_args().rounds
    adapter.register()
    register_tensor_transport("NOTHING", ["cpu"], Nothing, np.ndarray)
    ray.init(
        num_cpus=2, include_dashboard=False, object_store_memory=STORE_BYTES, log_to_driver=False
    )
    made = actors()
    # Ray's way has actors that never used the transport.
    pairs = {way: (made.remote(), made.remote()) for way in TABLES[0] + TABLES[1]}
    ray.get(pairs["used"][1].take.remote(pairs["used"][0].use.remote()))
    for ways in TABLES:
        print("milliseconds" + "".join(f"{NAMES[way]:>20}" for way in ways))
        for n in SIZES:
            medians = measured({way: pairs[way] for way in ways}, n, rounds)
            figures = [f"{1e3 * each:12.2f} {medians[0] / each:6.1f}x" for each in medians]
            print(f"{in_words(n):12}" + "".join(figures), flush=True)
    counts = ray.get([actor.fallbacks.remote() for pair in pairs.values() for actor in pair])
    print(f"load of the machine: {os.getloadavg()[0]:.1f}; fallbacks: {any(counts) and counts}")


if __name__ == "__main__":
    main()
