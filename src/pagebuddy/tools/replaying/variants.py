"""The variants that the command line of `replay` names, as comma-separated lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TypeVar

from pagebuddy import PageRanges
from pagebuddy.arguments import power_of_two
from pagebuddy.memory.sizes import bytes_of
from pagebuddy.tools.replaying.ranges import from_map, from_size, from_trace
from pagebuddy.tools.replaying.variant import Policy, Variant
from pagebuddy.tools.traces.events import MAX_ORDER, ORDERS
from pagebuddy.tools.traces.trace import Trace

_LARGEST_PAGE = 1 << 40

_T = TypeVar("_T")


def variants_of(page_sizes: str, max_orders: str | None, policies: str | None) -> list[Variant]:
    """Combine all page sizes, highest orders and policies; the ranges are still empty.

    Each argument is a comma-separated list; None means as in the recorded system. Raises `ValueError`
    for an invalid or repeated value.

    >>> [(v.page_size, v.max_order) for v in variants_of("4 KiB,2 MiB", "9,10", None)]
    [(4096, 9), (4096, 10), (2097152, 9), (2097152, 10)]
    """
    sizes = _listed(page_sizes, _page_size, "page_size")
    orders = [None] if max_orders is None else _listed(max_orders, _order, "max_order")
    chosen = [None] if policies is None else _listed(policies, _policy, "policy")
    return [Variant(PageRanges(), *each) for each in product(sizes, orders, chosen)]


def with_ranges(
    variants: list[Variant], trace: Trace, memory_map: Path | None, memory: str | None
) -> list[Variant]:
    """Fill in the ranges: from a memory map, from a size, or large enough for the trace."""
    if memory_map is not None and memory is not None:
        raise ValueError("--memory and --memory-map were both given; give only one of them")
    if memory_map is not None:
        ranges = [from_map(memory_map, variant.page_size) for variant in variants]
    elif memory is not None:
        n_bytes = bytes_of(memory, "memory")
        ranges = [from_size(n_bytes, variant.page_size) for variant in variants]
    else:
        ranges = from_trace(trace, variants)
    return [replace(variant, ranges=each) for variant, each in zip(variants, ranges, strict=True)]


def _listed(text: str, read: Callable[[str], _T], name: str) -> list[_T]:
    values = [read(part.strip()) for part in text.split(",")]
    if len(set(values)) < len(values):
        raise ValueError(f"{name} is {text!r}, which repeats a value; give each value once")
    return values


def _page_size(text: str) -> int:
    return power_of_two(bytes_of(text, "page_size"), "page_size", most=_LARGEST_PAGE)


def _order(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_ORDER):
        raise ValueError(f"max_order is {text!r}; expected {ORDERS}")
    return int(text)


def _policy(text: str) -> Policy:
    try:
        return Policy(text)
    except ValueError:
        raise ValueError(f"policy is {text!r}; expected exact or blocks") from None
