"""Metadata stored inside the managed memory."""

from __future__ import annotations

import pytest

from pagebuddy import OutOfPages, PageRanges

RANGES = [(3, 120), (200, 72)]
TOP = 1 << 64


@pytest.mark.parametrize("page_size", [64, 256, 4096])
@pytest.mark.parametrize(
    "ranges",
    [[(0, 200)], [(100, 77)], [(0, 5), (9, 150)], [(7, 150), (160, 3)], [(TOP - 130, 130)]],
)
def test_metadata_is_carved_from_the_end_of_a_range_without_waste(Buddy, ranges, page_size):
    given = PageRanges(ranges)
    lowest, highest = ranges[0][0], sum(ranges[-1])
    memory = bytearray((highest - lowest) * page_size)
    buddy = Buddy(given, page_size=page_size, memory=memory)
    everything = {page for first, n in ranges for page in range(first, first + n)}
    n_pages = buddy.stats().n_pages
    pages = [buddy.alloc(1) for _ in range(n_pages)]
    with pytest.raises(OutOfPages):
        buddy.alloc(1)
    assert len(set(pages)) == n_pages
    assert set(pages) < everything

    missing = sorted(everything - set(pages))
    assert missing[-1] + 1 in {first + n for first, n in ranges}, "not at the end of a range"
    assert missing == list(range(missing[0], missing[-1] + 1))
    size = buddy.metadata.nbytes
    assert size <= len(missing) * page_size, "it does not fit where it is"
    # The pages that one page fewer would leave need more metadata than that.
    if len(missing) > 1:
        given.carve(len(missing) - 1)
    more = Buddy.metadata_size(given, page_size=page_size, max_order=buddy.max_order)
    assert more > (len(missing) - 1) * page_size, "a page is wasted"

    for page in pages:
        place = (page - lowest) * page_size
        memory[place : place + page_size] = b"\xff" * page_size
    buddy.verify()
    assert [page for page, _ in buddy.spans()] == sorted(pages)
    for page in pages:
        buddy.free(page)
    buddy.verify()
    place = (missing[0] - lowest) * page_size
    found = memory.find(bytes(buddy.metadata))
    assert place <= found <= (missing[-1] + 1 - lowest) * page_size - size


def test_attaching_to_metadata_inside_the_memory(Buddy):
    memory = bytearray(200 * 64)
    buddy = Buddy(PageRanges([(0, 200)]), page_size=64, memory=memory)
    page = buddy.alloc(7)
    other = Buddy.attach(buddy.metadata)
    assert list(other.spans()) == [(page, 7)]
    other.free(page)
    assert page not in buddy


def test_the_given_ranges_are_not_changed(Buddy):
    given = PageRanges(RANGES)
    Buddy(given, page_size=64, memory=bytearray(300 * 64))
    Buddy(given)
    assert list(given) == RANGES


@pytest.mark.parametrize("n_pages", [1, 2, 5])
def test_memory_too_small_for_the_metadata_is_refused_unchanged(Buddy, n_pages):
    memory = bytearray(b"\xa5" * (n_pages * 64))
    with pytest.raises((ValueError, OutOfPages)):
        Buddy(PageRanges([(0, n_pages)]), page_size=64, memory=memory)
    assert bytes(memory) == b"\xa5" * (n_pages * 64)


def test_memory_too_small_for_the_ranges_is_refused_unchanged(Buddy):
    memory = bytearray(b"\xa5" * (272 * 64))
    with pytest.raises(ValueError, match=str(269 * 64)):
        Buddy(PageRanges(RANGES), page_size=64, memory=memoryview(memory)[: 269 * 64 - 8])
    assert bytes(memory) == b"\xa5" * (272 * 64)
    Buddy(PageRanges(RANGES), page_size=64, memory=memoryview(memory)[: 269 * 64])


def test_giving_both_memory_and_metadata_is_refused(Buddy):
    with pytest.raises(ValueError, match="memory"):
        Buddy(PageRanges(RANGES), metadata=bytearray(1 << 16), memory=bytearray(272 * 4096))
