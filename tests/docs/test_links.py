"""Links of pages outside the site lead to existing files and headings."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

markdown_it = pytest.importorskip("markdown_it")

ROOT = Path(__file__).parents[2]
PAGES = sorted(page.name for page in ROOT.glob("*.md"))


def links_of(page: Path) -> list[str]:
    found = []
    for token in markdown_it.MarkdownIt().parse(page.read_text(encoding="utf-8")):
        for inline in token.children or []:
            found += [inline.attrs[name] for name in ("href", "src") if name in inline.attrs]
    return found


def headings_of(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name):
    page = ROOT / name
    for link in links_of(page):
        parts = urlsplit(link)
        if parts.scheme:
            continue
        target = page.parent / unquote(parts.path) if parts.path else page
        assert target.exists(), link
        assert not parts.fragment or parts.fragment in headings_of(target), link


def test_links_are_found():
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"} <= set(PAGES)
    assert "docs/tutorial.md" in links_of(ROOT / "README.md")
    assert "docs/map.svg" in links_of(ROOT / "CONTRIBUTING.md")
