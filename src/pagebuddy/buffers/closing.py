"""The error for an `Arena` object that was closed, which its fast and its ordinary calls share."""

from pagebuddy.errors import ArenaClosed


def arena_was_closed() -> ArenaClosed:
    """Return the error for a call on a closed `Arena` object."""
    return ArenaClosed("this arena object was closed; attach again, or make another")
