"""Importing the adapter where torch is missing or too old says what to install."""

from __future__ import annotations

import pytest

from tests.adapters.imports import refusal_of

pytest.importorskip("torch")

MISSING = """
import sys
sys.modules["torch"] = None
import pagebuddy.adapters.torch
"""
OLD = """
import torch
torch.__version__ = "2.1.2+cpu"
import pagebuddy.adapters.torch
"""


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (MISSING, "pip install 'pagebuddy[torch]'"),
        (OLD, "supports torch 2.2 and later; this is torch 2.1.2"),
    ],
)
def test_without_a_supported_torch_it_says_what_to_install(program, says):
    last = refusal_of(program)
    assert says in last
