"""Pickles that were stored by earlier versions still load, and new ones name one permanent module."""

from __future__ import annotations

import base64
import json
import pickle
import pickletools
import subprocess
import sys
from pathlib import Path

import pytest

import pagebuddy
from pagebuddy import pickled

FOLDER = Path(__file__).parent / "stored"
STORED = json.loads((FOLDER / "pickles-0.1.json").read_text())

# How pickles of version 0.1 named the functions that they call.
FORMER = {
    "claim": "pagebuddy.sharing.sending",
    "arena_found": "pagebuddy.sharing.passing",
    "attached": "pagebuddy.chosen",
    "remade_array": "pagebuddy.exchange.remaking",
    "remade_view": "pagebuddy.exchange.remaking",
    "as_it_is": "pagebuddy.exchange.remaking",
}


def names_in(data: bytes) -> set[str]:
    """The modules and names of this package that a pickle refers to."""
    strings: list[str] = []
    found = set()
    for code, argument, _ in pickletools.genops(data):
        if code.name == "GLOBAL":
            found.add(argument.replace(" ", "."))
        elif isinstance(argument, str):
            strings.append(argument)
        elif code.name == "STACK_GLOBAL":
            found.add(".".join(strings[-2:]))
    return {name for name in found if name.startswith("pagebuddy")}


# Its metadata had another version.
OLD_METADATA = "BuddyAllocator"


@pytest.mark.parametrize("kind", [kind for kind in STORED if kind != OLD_METADATA])
def test_a_pickle_of_an_earlier_version_loads(kind):
    loaded = pickle.loads(base64.b85decode(STORED[kind]))
    assert type(loaded).__name__ == kind
    str(loaded)


def test_an_allocator_with_metadata_of_an_earlier_version_is_refused_by_that_version():
    found = r"has version 2 .*the word is 0x102030400000001"
    with pytest.raises(pagebuddy.CorruptMetadata, match=found):
        pickle.loads(base64.b85decode(STORED[OLD_METADATA]))


def test_a_stored_allocator_with_todays_metadata_continues(Buddy):
    # It was stored with pages that waited, a span aside and a front.
    stored = json.loads((FOLDER / "allocator-metadata-2.json").read_text())
    plain = pickle.loads(base64.b85decode(stored["pickle"]))
    buddy = Buddy.attach(bytearray(plain.metadata))
    buddy.verify()
    assert [list(span) for span in buddy.spans()] == stored["spans"]
    for page, _ in stored["spans"]:
        buddy.free(page)
    buddy.verify()
    assert buddy.stats().free == buddy.n_pages


@pytest.mark.parametrize("function", FORMER)
def test_an_earlier_address_leads_to_the_same_function_in_a_fresh_process(function):
    code = f"c{FORMER[function]}\n{function}\n.".encode()
    script = f"import pickle; print(pickle.loads({code!r}).__module__)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("pagebuddy.pickled\n", "")


def test_handles_and_arenas_name_the_permanent_module_alone(name):
    arena = pagebuddy.Arena.create(name, "1 MiB")
    buffer = arena.alloc(5000)
    buddy = pagebuddy.BuddyAllocator(64)
    named = set()
    for thing in (arena, buffer, buddy):
        for protocol in (2, 5):
            named |= names_in(pickle.dumps(thing, protocol))
    assert named == {f"pagebuddy.pickled.{name}" for name in ("arena_found", "claim", "attached")}


def test_a_handle_with_an_earlier_address_is_claimed(name):
    arena = pagebuddy.Arena.create(name, "1 MiB")
    buffer = arena.alloc(5000)
    buffer.view[:5] = b"hello"
    data = pickle.dumps(buffer, 2)
    earlier = data.replace(b"cpagebuddy.pickled\nclaim\n", b"cpagebuddy.sharing.sending\nclaim\n")
    assert earlier != data
    assert bytes(pickle.loads(earlier).view[:5]) == b"hello"


@pytest.mark.parametrize("function", FORMER)
def test_every_permanent_function_says_so(function):
    assert getattr(pickled, function).__module__ == "pagebuddy.pickled"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = pickled.nothing
