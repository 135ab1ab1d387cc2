"""Draws `dashboard.svg`: what Prometheus learns of an arena in a minute, from real scrapes.

    python docs/draw_dashboard.py [SECONDS]

A program is run for this: one process puts frames into a queue, two take them. One of these is killed
with frames in its hands, so that the queue fills, then the arena. Later another one takes its place.
Once a second, the figures are scraped over HTTP.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from urllib.request import urlopen

import matplotlib
from matplotlib import pyplot
from matplotlib.axes import Axes
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from pagebuddy import Arena, OutOfPages
from pagebuddy.adapters.prometheus import Collector

PICTURE = Path(__file__).parent / "dashboard.svg"
NAME = "dashboard-studio"
FRAME = 2 << 20
MIB = 1 << 20

# The colours by their use: in light, in dark. In the picture, each is a variable.
COLOURS = {
    "text": ("#57606a", "#9aa4b0"),
    "strong": ("#1f2328", "#e6edf3"),
    "grid": ("#d8dee4", "#2d3640"),
    "page": ("#ffffff", "#0d1117"),
    "first": ("#0b7285", "#4dc4d6"),
    "second": ("#c2410c", "#ff9b5e"),
    "third": ("#6e40c9", "#b794f6"),
}
LIGHT = {use: light for use, (light, _) in COLOURS.items()}

Samples = dict[tuple[str, ...], float]


def produce(end: float) -> None:
    """Put frames into the queue, 40 in a second, or fewer if there is no room."""
    arena = Arena.attach(NAME)
    frames = arena.queue("frames")
    while time.monotonic() < end:
        try:
            frames.put(arena.full(FRAME, 7, "u1"), timeout=1)
        except OutOfPages:
            time.sleep(0.1)
        time.sleep(1 / 40)


def consume(end: float, delay: float, hoard: int = 1) -> None:
    """Take frames from the queue, keep the last `hoard` of them, and work on each."""
    arena = Arena.attach(NAME)
    frames = arena.queue("frames")
    kept: list[object] = []
    while time.monotonic() < end:
        kept = [*kept, frames.get()][-hoard:]
        with suppress(OutOfPages):
            for _ in range(2000):
                arena.alloc(FRAME // 16)
        time.sleep(delay)


def scrape(port: int) -> Samples:
    """One scrape over HTTP: the values by name and labels."""
    with urlopen(f"http://localhost:{port}/metrics") as answer:
        text = answer.read().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def observe(seconds: float) -> list[Samples]:
    """Run the program, and scrape once a second."""
    spawn = multiprocessing.get_context("spawn")
    found: list[Samples] = []
    with Arena.create(NAME, "256 MiB") as arena:
        arena.queue("frames", maxsize=140)
        registry = CollectorRegistry()
        registry.register(Collector(NAME))
        server, _ = start_http_server(0, addr="localhost", registry=registry)
        start = time.monotonic()
        end = start + seconds
        workers = [
            spawn.Process(target=produce, args=(end,)),
            spawn.Process(target=consume, args=(end, 1 / 28)),
            spawn.Process(target=consume, args=(end, 1 / 14, 24)),
        ]
        for worker in workers:
            worker.start()

        def kill() -> None:
            os.kill(workers[2].pid or 0, signal.SIGKILL)
            workers[2].join()

        def replace() -> None:
            workers.append(spawn.Process(target=consume, args=(end, 1 / 50)))
            workers[-1].start()

        events: list[tuple[float, Callable[[], None]]] = [(0.3, kill), (0.7, replace)]
        for second in range(int(seconds) + 1):
            time.sleep(max(start + second - time.monotonic(), 0))
            while events and second >= events[0][0] * seconds:
                events.pop(0)[1]()
            found.append(scrape(server.server_port))
        for worker in workers:
            worker.kill()
            worker.join()
        server.shutdown()
        server.server_close()
        arena.unlink()
    return found


def line(found: list[Samples], metric: str, *labels: str) -> list[float]:
    """The values of one metric, one for each scrape."""
    return [samples.get((f"pagebuddy_{metric}", NAME, *labels), 0) for samples in found]


def rate(values: list[float]) -> list[float]:
    """How much it grew in each second."""
    return [0, *(after - before for before, after in pairwise(values))]


def panel(axes: Axes, title: str, unit: str, lines: dict[str, list[float]], top: float = 0) -> None:
    """Draw lines over the seconds; the name of each is above, in its colour."""
    axes.set_title(title, loc="left", fontsize=10, color=LIGHT["strong"], pad=18)
    colours = [LIGHT["first"], LIGHT["second"], LIGHT["third"]]
    at = 0.0
    for (name, values), colour in zip(lines.items(), colours, strict=False):
        axes.plot(values, color=colour, linewidth=1.6)
        if colour == colours[0]:
            axes.fill_between(range(len(values)), values, color=colour, alpha=0.12, linewidth=0)
        latest = f"{name} {values[-1]:,.0f}{unit}"
        axes.text(at, 1.05, latest, color=colour, fontsize=8, transform=axes.transAxes)
        at += 0.045 + 0.026 * len(latest)
    most = max(max(values) for values in lines.values())
    axes.set_ylim(0, max(top, most * 1.1, 1))
    axes.set_xlim(0, len(next(iter(lines.values()))) - 1)
    axes.tick_params(length=0, labelsize=8, labelcolor=LIGHT["text"])
    axes.grid(color=LIGHT["grid"], linewidth=0.6)
    axes.set_facecolor("none")
    for side in axes.spines.values():
        side.set_visible(False)


def draw(found: list[Samples]) -> str:
    """The picture, in colours that follow those of the reader's system."""
    matplotlib.rcParams["svg.fonttype"] = "none"
    matplotlib.rcParams["svg.hashsalt"] = "pagebuddy"
    matplotlib.rcParams["font.family"] = "sans-serif"
    figure, rows = pyplot.subplots(2, 3, figsize=(11, 5.2))
    figure.patch.set_facecolor(LIGHT["page"])
    used = [value / MIB for value in line(found, "arena_used_bytes")]
    largest = [value / MIB for value in line(found, "arena_largest_free_bytes")]
    size = line(found, "arena_size_bytes")[-1] / MIB
    panel(rows[0][0], "Memory", " MiB", {"used": used, "largest free": largest}, size)
    depth = line(found, "queue_messages", "frames")
    maxsize = line(found, "queue_maxsize", "frames")
    panel(rows[0][1], "Queue “frames”", "", {"messages": depth, "maxsize": maxsize})
    put = rate(line(found, "queue_put_total", "frames"))
    panel(rows[0][2], "Messages put, each second", "", {"frames": put})
    processes = line(found, "arena_processes")
    dead = line(found, "arena_dead_processes")
    reaped = line(found, "arena_reaped_processes_total")
    panel(rows[1][0], "Processes", "", {"attached": processes, "dead": dead, "reaped": reaped})
    waits = rate(line(found, "arena_lock_waits_total"))
    panel(rows[1][1], "Waits for the lock, each second", "", {"waits": waits}, 10)
    failed = line(found, "arena_failed_allocations_total")
    panel(rows[1][2], "Failed allocations", "", {"in all": failed}, 10)
    for axes in rows[1]:
        axes.set_xlabel("seconds", fontsize=8, color=LIGHT["text"])
    figure.tight_layout(h_pad=1.6, w_pad=2)
    stream = io.StringIO()
    figure.savefig(
        stream, format="svg", metadata={"Date": None, "Creator": "docs/draw_dashboard.py"}
    )
    return follow_the_system(stream.getvalue())


def follow_the_system(picture: str) -> str:
    """Replace the colours by variables, whose values depend on whether the reader's system is dark."""
    for use, (light, _) in COLOURS.items():
        picture = picture.replace(light, f"var(--{use})")
    light = "; ".join(f"--{use}: {colour}" for use, (colour, _) in COLOURS.items())
    dark = "; ".join(f"--{use}: {colour}" for use, (_, colour) in COLOURS.items())
    style = (
        f"<style>svg {{ {light} }} "
        f"@media (prefers-color-scheme: dark) {{ svg {{ {dark} }} }}</style>"
    )
    picture = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px system-ui, sans-serif", picture)
    return re.sub(r"(<svg [^>]*>)", rf"\1\n {style}", picture, count=1)


if __name__ == "__main__":
    PICTURE.write_text(draw(observe(float(sys.argv[1]) if len(sys.argv) > 1 else 60)))
