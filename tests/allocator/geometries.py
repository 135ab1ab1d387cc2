"""Where the words of an allocator lie, read from its metadata: both engines keep it private."""

from __future__ import annotations

from typing import Any

from pagebuddy.allocator.geometry import Geometry


def geometry_of(buddy: Any) -> Geometry:
    """Return the geometry of an allocator."""
    return Geometry.read(buddy.metadata.cast("Q"))
