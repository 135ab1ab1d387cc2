"""A cluster of one node, to which some tests add another, and a fresh transport for each test."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

# No requests to the outside, and no waiting for them.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# A cluster of tests needs no secret in the user's home.
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
# What starts workers in advance takes the cores from the tests.
os.environ.setdefault("RAY_enable_worker_prestart", "0")

PATIENCE_S = 60.0


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """A cluster of one node, to which this process is connected."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 4, "object_store_memory": 200 << 20, "include_dashboard": False}
    running = Cluster(initialize_head=True, head_node_args=node | {"resources": {"here": 1000}})
    root = str(Path(__file__).parents[3])
    env = {"PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])}
    ray.init(address=running.address, log_to_driver=False, runtime_env={"env_vars": env})
    yield running
    ray.shutdown()
    running.shutdown()


@pytest.fixture
def register(cluster: Any) -> Iterator[Callable[..., None]]:
    """Return `register`; its effects on this process end with the test."""
    import pagebuddy.adapters.ray as adapter
    from tests.adapters.ray.actors import forget

    # Doctests register it too.
    forget()
    adapter.fallbacks.__init__("pagebuddy.adapters.ray")  # type: ignore[misc]
    yield adapter.register
    forget()


@pytest.fixture
def arena(register: Callable[..., None], until: Callable[..., Any]) -> Any:
    """The arena of this host, with the transport registered as by default; nothing is in it."""
    import pagebuddy.adapters.ray as adapter

    register()
    made = adapter.arena()
    gc.collect()

    def is_empty() -> bool:
        # Ray keeps actors of earlier tests: it refers to those of the last transfer.
        for row in made.processes():
            if row.alive and not row.me:
                with suppress(ProcessLookupError):
                    os.kill(row.pid, signal.SIGKILL)
        adapter._end_handles_of_the_dead(made._open)
        return bool(made.stats().used == 0)

    until(is_empty)
    return made


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], Any]], Any]:
    """Return a function that calls another until it says true, and returns what it said."""

    def wait(is_so: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + PATIENCE_S
        while not (said := is_so()):
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.01)
        return said

    return wait


@pytest.fixture
def sender(arena: Any) -> Any:
    """An actor that returns arrays through the transport."""
    from tests.adapters.ray.actors import Sender

    return Sender.remote()


@pytest.fixture
def receiver(arena: Any) -> Any:
    """An actor that takes them."""
    from tests.adapters.ray.actors import Receiver

    return Receiver.remote()
