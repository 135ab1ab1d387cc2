"""Random calls are compared with the naive model, and the machine finds deliberate faults."""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from pagebuddy.allocator.buddy import BuddyAllocator
from pagebuddy.testing.machine import machine_for
from tests.testing.driver import drive


def test_the_allocator_does_as_the_model(Buddy):
    run_state_machine_as_test(machine_for(Buddy), settings=settings())


@pytest.mark.timeout(3600)
def test_calls_in_a_nearly_full_memory_do_as_the_model(Buddy, engine, effort):
    drive(Buddy, effort.seed, effort.pick(5000, 1_000_000) // (1 if engine == "compiled" else 5))


class KeepsAPage(BuddyAllocator):
    """Shrinks to one page more than requested."""

    def resize(self, page, n_pages):
        if n_pages < self.size_of(page):
            n_pages += 1
        return super().resize(page, n_pages)


class Forgets(BuddyAllocator):
    """Frees all pages of a batch except the last one."""

    def free_many(self, pages):
        super().free_many(list(pages)[:-1])


class Misaligns(BuddyAllocator):
    """Ignores a requested alignment."""

    def alloc(self, n_pages, **limits):
        limits.pop("align", None)
        return super().alloc(n_pages, **limits)


@pytest.mark.parametrize("broken", [KeepsAPage, Forgets, Misaligns])
def test_a_broken_allocator_is_found_out(broken):
    few = settings(
        max_examples=200,
        stateful_step_count=40,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine_for(broken), settings=few)
    with pytest.raises(AssertionError):
        drive(broken, 0, 5000)
