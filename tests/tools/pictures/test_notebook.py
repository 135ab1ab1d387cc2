"""What a notebook shows: an element that fits into any page, and a picture of its own."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from pagebuddy import BuddyAllocator
from pagebuddy.tools.pictures.layout import Layout
from pagebuddy.tools.pictures.notebook import as_html, as_picture
from pagebuddy.tools.pictures.palette import holder_colour, order_colours


def some_layout(told):
    buddy = BuddyAllocator(256)
    rows = [(buddy.alloc(100), 100, ["<script>alert(1)</script>"])]
    return Layout.of(buddy, rows if told else None)


def test_html_is_an_element_that_leaves_the_page_as_it_is():
    text = as_html(some_layout(True), title="<b>")
    root = ElementTree.fromstring(text)
    assert root.tag == "div"
    for forbidden in ("<script", "<style", "<b>", " id=", " class=", "href", "url("):
        assert forbidden not in text
    assert "currentColor" in text


@pytest.mark.parametrize("show", [as_html, as_picture])
def test_by_holder_where_one_is_told(show):
    assert holder_colour(0) in show(some_layout(True), title="an arena")
    assert "&lt;script" in show(some_layout(True), title="an arena")
    by_order = show(some_layout(False), title="an arena")
    assert holder_colour(0) not in by_order
    assert order_colours(8)[7] in by_order


def test_a_picture_is_a_document_of_its_own():
    text = as_picture(some_layout(True), title="an arena")
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme" in text
