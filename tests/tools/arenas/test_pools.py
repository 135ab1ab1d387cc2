"""Pools in `stat`."""

from __future__ import annotations

import json
import multiprocessing
import os

import pytest

from pagebuddy import Arena, ArenaExecutor


@pytest.mark.one_engine
def test_stat_shows_workers_and_calls(name, pagebuddy_command):
    with Arena.create(name, "8 MiB") as arena:
        assert "pools" not in json.loads(pagebuddy_command("stat", name, "--json")[1])
        context = multiprocessing.get_context("forkserver")
        with ArenaExecutor(1, context, arena=arena) as pool:
            assert list(pool.map(abs, range(10))) == list(range(10))
            pool._dispatcher.note_figures()
            (figures,) = json.loads(pagebuddy_command("stat", name, "--json")[1])["pools"]
            assert figures == {
                "pid": os.getpid(),
                "workers": 1,
                "waiting": 0,
                "sent": 0,
                "done": 10,
            }
            text = pagebuddy_command("stat", name)[1]
            assert f"1 worker of process {os.getpid()}; calls: 0 waiting, 0 sent, 10 done" in text
        assert "pools" not in json.loads(pagebuddy_command("stat", name, "--json")[1])
        arena.unlink()
