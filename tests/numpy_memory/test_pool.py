"""Workers of a pool create their results in the arena."""

from __future__ import annotations


def test_results_of_workers_are_not_copied(run_file, start):
    assert run_file("results_of_a_pool", start) == "done\n"
