"""Importing the adapter where ray is missing or too old says what to install."""

from __future__ import annotations

import pytest

from tests.adapters.imports import refusal_of

pytest.importorskip("ray")

MISSING = """
import sys
sys.modules["ray"] = None
import pagebuddy.adapters.ray
"""
OLD = """
import ray
ray.__version__ = "2.52.1"
import pagebuddy.adapters.ray
"""
# The interface is an alpha, and may be another one later.
CHANGED = """
import ray.experimental
del ray.experimental.register_tensor_transport
import pagebuddy.adapters.ray
"""


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (MISSING, "ray is not installed"),
        (OLD, "supports ray 2.60 and later; ray is 2.52.1"),
        (CHANGED, "cannot import name 'register_tensor_transport'"),
    ],
)
def test_without_a_supported_ray_it_says_what_to_install(program, says):
    last = refusal_of(program)
    assert says in last
    assert "pip install 'pagebuddy[ray]'" in last
