"""What recovery finds in the metadata of a process that died, in both ways of recovery."""

from __future__ import annotations

from pagebuddy.allocator.buddy import BuddyAllocator
from pagebuddy.core.rebuild import rebuild
from pagebuddy.core.words import H_HIGH_WATER


def spans_of(metadata):
    """Recover, verify, and return the spans."""
    found = []
    for mend in (BuddyAllocator.recover, recover_to_the_high_water):
        buddy = BuddyAllocator.attach(bytearray(metadata))
        mend(buddy)
        buddy.verify()
        found.append({(page, n, buddy.generation_of(page)) for page, n in buddy.spans()})
    assert found[0] == found[1]
    return found[0]


def recover_to_the_high_water(buddy):
    """Recover as a process does that takes over a lock: trust the high-water mark."""
    rebuild(buddy, buddy.words[H_HIGH_WATER], False)
    assert buddy.fault == 0
