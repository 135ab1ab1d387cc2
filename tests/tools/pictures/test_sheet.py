"""Memory as a drawing: what is on the sheet, and that all of it is."""

from __future__ import annotations

import io
import random
from array import array

import pytest
from rich.console import Console

from pagebuddy import BuddyAllocator, PageRanges
from pagebuddy.tools.pictures.drawing import letters
from pagebuddy.tools.pictures.grid import Row
from pagebuddy.tools.pictures.layout import Layout
from pagebuddy.tools.pictures.palette import N_HOLDERS, USED, holder_colour, order_colours
from pagebuddy.tools.pictures.picture import Picture
from pagebuddy.tools.pictures.sheet import sheet, used_boxes
from pagebuddy.tools.pictures.tree import Tree
from pagebuddy.tools.pictures.tree_sheet import tree_sheet

WIDTHS = [320, 480, 640, 860, 1600]


def some_layout(n_holders=3):
    buddy = BuddyAllocator(PageRanges([(1, 0x9E), (0x100, 0x4000)]), max_order=10)
    rows = [(buddy.alloc(n), n, [f"worker {i % n_holders}"]) for i, n in enumerate([1, 5, 9] * 40)]
    for page, n, _ in rows[::5]:
        buddy.free(page, n_pages=n)
    return Layout.of(buddy, [row for i, row in enumerate(rows) if i % 5])


def empty(n=64):
    return Layout.of(BuddyAllocator(n))


def full(n=64):
    buddy = BuddyAllocator(n)
    return Layout.of(buddy, [(buddy.alloc(n), n, ["one"])])


def far():
    return Layout.of(BuddyAllocator(PageRanges([(2**64 - 100, 100)]), page_size=1 << 30))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("by_holder", [False, True])
@pytest.mark.parametrize(
    "layout",
    [some_layout(), some_layout(40), empty(), full(), empty(1), full(1), empty(1 << 22), far()],
    ids=[
        "worn",
        "many holders",
        "empty",
        "full",
        "empty page",
        "full page",
        "empty and large",
        "far",
    ],
)
def test_all_is_on_the_sheet(check_sheet, layout, width, by_holder):
    drawing = sheet(layout, title="Memory " * 12, by_holder=by_holder, width=width)
    assert drawing.width == width
    check_sheet(drawing)


def test_the_colours_are_those_of_what_is_there():
    layout = some_layout()
    fills = [box.fill for box in sheet(layout, title="Memory").boxes]
    assert USED in fills
    for order, count in enumerate(layout.n_blocks):
        # A swatch in the key, and a box where such blocks are the largest in a cell.
        assert fills.count(order_colours(10)[order]) >= (2 if count and order >= 2 else 1), order


def test_the_area_of_a_colour_is_its_share():
    """By holder, on cells of one page: as many pages, as much area."""
    buddy = BuddyAllocator(512)
    rows = [(buddy.alloc(n), n, [name]) for n, name in ((100, "a"), (50, "b"), (30, "a"))]
    drawing = sheet(Layout.of(buddy, rows), title="Memory", by_holder=True, width=600)
    area = {
        fill: sum(box.width * box.height for box in drawing.boxes if box.fill == fill)
        - (18 * 11)  # its swatch
        for fill in (holder_colour(0), holder_colour(1), "quiet")
    }
    total = sum(area.values())
    shares = [round(512 * area[fill] / total) for fill in area]
    assert shares == [130, 50, 332]


def test_a_holder_beyond_the_colours_is_one_of_the_others():
    layout = some_layout(N_HOLDERS + 3)
    texts = [words.text for words in sheet(layout, title="Memory", by_holder=True).words]
    assert "3 others" in texts
    assert sum(text.startswith("worker") for text in texts) == N_HOLDERS


def test_used_parts_fill_cells_from_below():
    """Here `y` goes down: the box of what is used ends where the cell ends."""
    row = Row(
        0,
        array("Q", [4, 4, 4, 0]),
        array("Q", [0, 3, 4, 0]),
        array("b", [-1, 1, 2, -1]),
        array("l", [0, 1, -1, -1]),
    )
    boxes = list(used_boxes(row, 100.0, 10.0, 5.0, 1.0, by_holder=True))
    assert boxes == [
        (100.0, 10.0, 5.0, 1.0, holder_colour(0)),
        (105.0, 10.75, 5.0, 0.25, holder_colour(1)),
    ]
    assert {box.fill for box in used_boxes(row, 0.0, 0.0, 1.0, 1.0, by_holder=False)} == {USED}


@pytest.mark.parametrize("width", [0, -5, 319.9, float("nan")])
def test_too_little_width_is_refused(width):
    with pytest.raises(ValueError, match="expected at least 320 pixels"):
        sheet(empty(), title="Memory", width=width)


def test_a_long_title_takes_lines():
    title = "An arena with a name that says a lot " * 3
    texts = [words.text for words in sheet(empty(), title=title, width=320).words if words.bold]
    assert " ".join(texts) == title.strip()
    assert max(map(len, texts)) <= letters(320 - 28, 15)


@pytest.mark.parametrize("seed", range(50))
def test_rows_that_do_not_agree_are_drawn_all_the_same(check_sheet, seed):
    """As of an arena that others change while its blocks and buffers are read."""
    chance = random.Random(seed)
    blocks = [(chance.randrange(600), chance.randrange(6)) for _ in range(30)]
    free = [(first >> order << order, order) for first, order in blocks]
    spans = [(chance.randrange(600), chance.randint(1, 50), ["ab"[i % 2]]) for i in range(20)]
    ranges = [(0, 100), (130, 400)]
    layout = Layout.from_rows(ranges, free, spans, page_size=4096, max_order=6)
    for by_holder in (False, True):
        check_sheet(sheet(layout, title="Memory", by_holder=by_holder, width=500))
        Console(file=io.StringIO()).print(Picture(layout, by_holder=by_holder))
    for page in (0, 131, 500):
        check_sheet(tree_sheet(Tree(layout, page)))


@pytest.mark.parametrize("width", [320, 860])
def test_who_holds_what_is_told_whole(check_sheet, width):
    """A process's number may have seven digits, its name fifteen letters."""
    names = ["4194301 a-worker-number", "4194302 python3.11"]
    rows = [(0, 30, names[:1]), (100, 20, names[1:])]
    layout = Layout.from_rows([(0, 256)], [(128, 7)], rows, page_size=1 << 20, max_order=8)
    drawing = sheet(layout, title="Memory", by_holder=True, width=width)
    check_sheet(drawing)
    assert {*names} <= {words.text for words in drawing.words}
