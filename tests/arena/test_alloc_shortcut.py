"""`arena.alloc` takes no Python frame, and is the method of `Arena` in every other respect."""

from __future__ import annotations

import inspect
import pydoc

import pytest

from pagebuddy import Arena as ChosenArena
from pagebuddy import ArenaClosed


def test_a_subclass_can_replace_alloc(Arena):
    class Counting(Arena):
        calls = 0

        def alloc(self, nbytes, **options):
            self.calls += 1
            return super().alloc(nbytes, **options)

    arena = Counting("1 MiB")
    assert arena.alloc(5, align=8192).nbytes == 5
    assert arena.calls == 1


def test_a_subclass_of_a_subclass_can_replace_alloc(Arena):
    class Rounding(Arena):
        def alloc(self, nbytes, **options):
            return super().alloc(-(-nbytes // 100) * 100, **options)

    class Silent(Rounding):
        pass

    assert Silent("1 MiB").alloc(5).nbytes == 100


def test_a_subclass_without_an_alloc_has_the_shortcut(Arena):
    class Named(Arena):
        pass

    assert "alloc" in vars(Named("1 MiB"))


def test_a_saved_alloc_ends_with_close(Arena):
    arena = Arena("1 MiB")
    alloc = arena.alloc
    assert alloc(5).nbytes == 5
    arena.close()
    with pytest.raises(ArenaClosed, match="was closed; attach again, or make another"):
        alloc(5)
    with pytest.raises(ArenaClosed, match="was closed"):
        alloc(5, zero=True)


def test_a_saved_alloc_of_another_object_of_the_same_arena_works_on(Arena, name):
    arena, other = Arena.create(name, "1 MiB"), Arena.attach(name)
    alloc = other.alloc
    arena.close()
    assert alloc(5).nbytes == 5
    other.unlink()


def test_a_saved_alloc_does_not_keep_a_closed_arena_attached(Arena, name, left_behind):
    before = left_behind()
    arena = Arena.create(name, "1 MiB")
    alloc = arena.alloc
    arena.unlink()
    arena.close()
    assert left_behind() == before
    del alloc


def test_it_shows_the_docstring_and_the_parameters_of_the_method():
    arena = ChosenArena("1 MiB")
    assert inspect.getdoc(arena.alloc) == inspect.getdoc(ChosenArena.alloc)
    shown = pydoc.render_doc(arena.alloc, renderer=pydoc.plaintext)
    assert "Alignment of the buffer's offset in bytes" in shown
    names = list(inspect.signature(ChosenArena.alloc).parameters)
    assert ["self", *inspect.signature(arena.alloc).parameters] == names
