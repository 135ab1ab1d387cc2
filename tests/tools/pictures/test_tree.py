"""One block as a tree: against a look at every page, and against what the allocator then does."""

from __future__ import annotations

import io
import random
import re

import pytest
from rich.console import Console

from pagebuddy import BuddyAllocator, OutOfPages, PageRanges
from pagebuddy.tools.pictures.layout import Layout
from pagebuddy.tools.pictures.palette import USED, order_colours
from pagebuddy.tools.pictures.tree import Kind, Tree, left_out
from pagebuddy.tools.pictures.tree_picture import TreePicture
from pagebuddy.tools.pictures.tree_sheet import tree_sheet

RANGES = PageRanges([(3, 61), (64, 64), (200, 40), (2**64 - 64, 64)])


def worn(seed, max_order=6):
    chance = random.Random(seed)
    buddy = BuddyAllocator(RANGES, max_order=max_order)
    live = []
    for _ in range(chance.choice([0, 20, 200])):
        try:
            live.append(buddy.alloc(chance.randint(1, 9)))
        except OutOfPages:
            break
        if chance.random() < 0.6:
            buddy.free(live.pop(chance.randrange(len(live))))
    return buddy


def leaves(tree):
    """The nodes that were not split."""
    shown = [node for level in tree.levels for node in level]
    return [node for node in shown if node.kind is not Kind.SPLIT]


@pytest.mark.parametrize("seed", range(40))
def test_the_leaves_are_the_pages_as_they_are(seed):
    buddy = worn(seed)
    layout = Layout.of(buddy)
    inside = {page for first, n in RANGES for page in range(first, first + n)}
    blocks = dict(buddy.free_blocks())
    free = {page for first, k in blocks.items() for page in range(first, first + (1 << k))}
    for at in (3, 127, 239, 2**64 - 1):
        for order in (0, 3, layout.top_order):
            tree = Tree(layout, at, order, depth=31)
            pages = []
            for node in leaves(tree):
                own = set(range(node.first, node.first + (1 << node.order)))
                pages += own
                if node.kind is Kind.OUTSIDE:
                    assert not own & inside
                elif node.kind is Kind.FREE:
                    assert own <= free
                    assert blocks.get(node.first) == node.order or order < layout.top_order
                else:
                    n = buddy.size_of(node.span)
                    assert own <= set(range(node.span, node.span + n))
            assert sorted(pages) == list(range(tree.first, tree.first + (1 << order)))
            assert at in pages


@pytest.mark.parametrize("seed", range(40))
def test_what_is_told_is_what_happens(seed):
    """A block freed becomes the block that was told; one waiting for a buddy still waits."""
    told_of = 0
    for at in (3, 64, 200):
        buddy = worn(seed)
        tree = Tree(Layout.of(buddy), at)
        for line in tree.explained():
            if found := re.fullmatch(r"free\((\d+)\) .* order (\d+) at page (\d+)", line):
                page, order, merged = map(int, found.groups())
                copy = BuddyAllocator.attach(bytearray(buddy.metadata))
                copy.free(page)
                assert (merged, order) in set(copy.free_blocks()), line
                told_of += 1
            elif found := re.match(
                r"page (\d+), free at order (\d+), .* page (\d+), is (\w+)", line
            ):
                page, order, other = map(int, found.groups()[:3])
                assert (page, order) in set(buddy.free_blocks())
                assert other == page ^ (1 << order)
                is_used = any(n <= other < n + size for n, size in buddy.spans())
                is_outside = not any(first <= other < first + n for first, n in RANGES)
                expected = {"used": is_used, "outside": is_outside, "split": True}
                assert expected[found.group(4)], line
                told_of += 1
            else:
                found = re.fullmatch(
                    r"an allocation of order (\d+) splits page (\d+), order (\d+), "
                    r"(?:once|(\d+) times)",
                    line,
                )
                order, page, larger = map(int, found.groups()[:3])
                assert (page, larger) in set(buddy.free_blocks())
                assert larger - order == int(found.group(4) or 1)
                told_of += 1
    assert told_of


def test_the_smallest_free_blocks_are_told_of_first():
    buddy = BuddyAllocator(64)
    buddy.alloc_at(33, 1)
    told = [line for line in Tree(Layout.of(buddy)).explained() if "cannot merge" in line]
    assert [line.split(",")[0] for line in told] == ["page 32", "page 34", "page 36"]


def test_the_block_shown_unless_told_is_one_that_was_split():
    buddy = BuddyAllocator(64, max_order=3)
    buddy.alloc(19)
    tree = Tree(Layout.of(buddy))
    assert (tree.first, tree.order, tree.levels[0][0].kind) == (16, 3, Kind.SPLIT)
    assert Tree(Layout.of(BuddyAllocator(64, max_order=3))).levels[0][0].kind is Kind.FREE


def test_deep_trees_say_that_there_is_more():
    buddy = BuddyAllocator(1 << 10)
    buddy.alloc(1)
    layout = Layout.of(buddy)
    (told,) = left_out(Tree(layout, depth=4).levels)
    assert told.startswith("orders below 6 are not shown; ")
    assert not list(left_out(Tree(layout, depth=10).levels))
    assert not list(left_out(Tree(layout, order=4, depth=4).levels))
    assert told in " ".join(shown(TreePicture(layout), width=40).split())
    assert "orders below 4" in shown(TreePicture(layout))


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ((0,), ValueError, "page 0 is outside the page ranges; give a page in a range"),
        ((2**64,), ValueError, "is outside the page ranges"),
        ((-1,), ValueError, "page is -1; it must be at least 0"),
        ((5, 7), ValueError, "order is 7; it must be at most 6"),
        (("5",), TypeError, "page is '5', a str; it must be an integer"),
    ],
)
def test_no_such_block(arguments, error, told):
    layout = Layout.of(worn(1))
    for kind in (Tree, TreePicture):
        with pytest.raises(error, match=re.escape(told)):
            kind(layout, *arguments)


def shown(picture, *, width=80, encoding="utf-8", **options):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Console(file=file, width=width, **options).print(picture)
    file.flush()
    return file.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [25, 40, 80, 200])
@pytest.mark.parametrize("seed", range(6))
def test_in_a_terminal_it_fits_and_blocks_are_as_wide_as_their_share(width, seed):
    layout = Layout.of(worn(seed))
    lines = shown(TreePicture(layout, 64), width=width).splitlines()
    assert max(map(len, lines)) <= width
    bars = {int(line[6:8]): line[9:] for line in lines if re.match(r"order [ 1-3]\d ", line)}
    columns = max(c for c in (16, 32, 64, 128) if c <= max(width - 9, 16))
    assert len(bars[6]) == columns - 1
    levels = Tree(layout, 64, depth=columns.bit_length() - 1).levels
    assert sorted(bars) == sorted(level[0].order for level in levels)
    for node in (node for level in levels for node in level):
        wide = columns >> (6 - node.order)
        place = ((node.first - 64) >> node.order) * wide
        block = bars[node.order].ljust(columns)[place : place + max(wide - 1, 1)]
        fill = {Kind.SPLIT: "─", Kind.FREE: "·", Kind.USED: "█"}[node.kind]
        assert block.strip(f"{fill} 0123456789splitfreeused") == "", (node, block)
        assert fill in block


def test_a_terminal_with_colour_and_one_with_ascii():
    buddy = BuddyAllocator(16)
    buddy.alloc(5)
    picture = TreePicture(Layout.of(buddy))
    text = shown(picture, force_terminal=True, color_system="truecolor")
    for colour in (USED, order_colours(4)[0], order_colours(4)[3]):
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        # The bar is its colour on itself: what stands for it without colour is not seen.
        assert f"\x1b[38;2;{red};{green};{blue};48;2;{red};{green};{blue}m" in text
    text = shown(picture, encoding="ascii")
    assert "- split  # used  . free  numbers are pages" in text
    assert re.search(r" #{3,4} 0 used #{3,4} ", text)
    no_colour = shown(picture, force_terminal=True, color_system="truecolor", no_color=True)
    assert "48;2" not in no_colour


@pytest.mark.parametrize("width", [320, 480, 860, 1600])
@pytest.mark.parametrize("seed", range(6))
def test_on_a_sheet(check_sheet, width, seed):
    layout = Layout.of(worn(seed))
    for page in (3, 64, 2**64 - 1):
        for order in (0, 2, None):
            drawing = tree_sheet(Tree(layout, page, order), width=width)
            assert drawing.width == width
            check_sheet(drawing)


def test_areas_on_a_sheet_are_shares():
    buddy = BuddyAllocator(64)
    buddy.alloc(16)
    drawing = tree_sheet(Tree(Layout.of(buddy)))
    (used,) = (box for box in drawing.boxes if box.fill == USED)
    (half,) = (box for box in drawing.boxes if box.fill == order_colours(6)[5])
    assert half.width / used.width == pytest.approx(2, rel=0.02)
    assert half.left > used.left


def test_a_sheet_too_narrow():
    with pytest.raises(ValueError, match="width is 300; expected at least 320 pixels"):
        tree_sheet(Tree(Layout.of(worn(1))), width=300)


@pytest.mark.parametrize("width", [1, 10, 24])
def test_too_narrow_a_terminal_is_told(width):
    lines = shown(TreePicture(Layout.of(worn(1))), width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert "cutoff:thepictureneeds25columns" in "".join(lines).replace(" ", "")


def test_a_sheet_says_what_its_colours_mean():
    """Also where no block is wide enough to be told."""
    texts = [words.text for words in tree_sheet(Tree(Layout.of(BuddyAllocator(64)), 0)).words]
    assert any("grey: used; coloured: free" in text for text in texts)
