"""A NAME that is none, as each verb tells it."""

from __future__ import annotations

import os

import pytest


@pytest.mark.parametrize("verb", ["stat", "map", "check", "reap", "rm"])
def test_a_name_that_is_none(verb, name, refused, tmp_path):
    assert refused(verb, name).startswith(f"there is no arena named {name}; ")
    assert "letters" in refused(verb, "two words")
    (tmp_path / "text").write_text("not an arena, but long enough for its first words to be read")
    assert refused(verb, tmp_path / "text").endswith("is no arena: it does not start as one does")
    assert (tmp_path / "text").exists()


def test_a_complaint_where_nobody_can_hear_it(name, pagebuddy_command):
    """Its exit code says it still."""
    told = pagebuddy_command("stat", name, before=lambda: os.close(2))
    assert told == (2, "", "")
