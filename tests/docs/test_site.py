"""The site builds without warnings, every page is reachable, and every link leads somewhere."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import pagebuddy

pytest.importorskip("mkdocs")
pytest.importorskip("material")
pytest.importorskip("mkdocstrings_handlers.python")

pytestmark = pytest.mark.soak  # every day `make docs` builds the site, and fails on any warning

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

SILENT = {"NO_MKDOCS_2_WARNING": "1"}  # the theme announces its successor at every build


def build(folder: Path, *, docs: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=docs,
        env=os.environ | SILENT,
        capture_output=True,
        text=True,
        timeout=240,
    )


class Page(HTMLParser):
    """The links of a page, the files that it loads, and its anchors."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.records: list[str] = []
        self.loaded: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attributes if value is not None}
        self.places |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.records.append(given["href"])
        elif tag in ("script", "img", "source", "iframe") and "src" in given:
            self.loaded.append(given["src"])
        elif tag == "link" and "href" in given:
            self.loaded.append(given["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    told = [line for line in done.stderr.splitlines() if not line.startswith("INFO ")]
    assert (done.returncode, told, done.stdout) == (0, [], ""), done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}


def test_every_page_is_on_the_site_and_in_its_navigation(site, pages):
    written = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    assert {path.relative_to(site) for path in pages} == written
    home = {unquote(link) for link in pages[site / "index.html"].records}
    # The home page links to itself in another way.
    assert {path.as_posix() for path in written} <= home | {"index.html"}


def test_every_link_leads_to_a_page_and_a_place_that_are_there(site, pages):
    broken = []
    for path, page in pages.items():
        for link in page.records + page.loaded:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                broken.append((path.relative_to(site), link))
            elif parts.fragment and target in pages:
                places = pages[target].places
                if unquote(parts.fragment) not in places:
                    broken.append((path.relative_to(site), link))
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(site, pages):
    for path, page in pages.items():
        assert [link for link in page.loaded if urlsplit(link).scheme not in ("", "data")] == [], (
            path
        )
    for style in site.rglob("*.css"):
        assert re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//", style.read_text()) == [], (
            style
        )


def public_members() -> Iterator[str]:
    """Return all public names, and the public members of classes among them."""
    for name in pagebuddy.__all__:
        public = getattr(pagebuddy, name)
        if not isinstance(public, type):
            continue
        yield name
        for base in public.__mro__:
            # A member inherited from a public class is explained there.
            of = base.__name__ if base.__name__ in pagebuddy.__all__ else name
            for member, value in vars(base).items() if base.__module__ in OURS else ():
                if not member.startswith("_") and not inspect.ismemberdescriptor(value):
                    yield f"{of}.{member}"


OURS = {name for name in sys.modules if name.split(".")[0] == "pagebuddy"}


@pytest.mark.parametrize("name", sorted(set(public_members())))
def test_every_public_name_is_in_the_reference(pages, name):
    places = {place for page in pages.values() for place in page.places}
    assert f"pagebuddy.{name}" in places


def test_every_verb_of_the_command_has_its_help_in_the_reference(site, pages):
    typer = pytest.importorskip("typer")
    from pagebuddy.tools.command import build as build_command

    verbs = typer.main.get_command(build_command()).commands
    text = (site / "reference" / "command.html").read_text(encoding="utf-8")
    for verb in verbs:
        assert verb in pages[site / "reference" / "command.html"].places
        assert f"Usage: pagebuddy {verb} " in text


@pytest.mark.parametrize(
    "wrong",
    [
        "[nowhere](nowhere.md)",
        "[no such place](#nowhere)",
        "::: pagebuddy.Nowhere",
        "[`Nowhere`][pagebuddy.Nowhere]",
    ],
)
def test_a_page_with_a_mistake_fails_the_build(tmp_path, wrong):
    (tmp_path / "src").symlink_to(ROOT / "src")
    (tmp_path / "docs").mkdir()
    for name in ("help_of_verbs.py",):
        (tmp_path / "docs" / name).symlink_to(DOCS / name)
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[0]
    (tmp_path / "mkdocs.yml").write_text(f"{settings}\nnav: [index.md]\n", encoding="utf-8")
    page = tmp_path / "docs" / "index.md"
    page.write_text("# All is well\n", encoding="utf-8")
    assert build(tmp_path / "site", docs=tmp_path).returncode == 0
    page.write_text(f"# Not so\n\n{wrong}\n", encoding="utf-8")
    assert build(tmp_path / "site", docs=tmp_path).returncode != 0
