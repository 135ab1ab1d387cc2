"""Rules that keep buffers, with and without a key, and find them again."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from verification.arena_machine.ground import KEYS, picks
from verification.arena_machine.having import Having


class Keeping(Having):
    """Operations by which buffers outlive a process."""

    @precondition(lambda self: self.buffers)
    @rule(pick=picks, key=st.one_of(st.just(True), KEYS), replace=st.booleans())
    def keep(self, pick: int, key: bool | str, replace: bool) -> None:
        reference = self.pick(pick, self.buffers)
        text = key if isinstance(key, str) else ""
        wrong = self.why_not_kept(reference.page, text, replace)
        if wrong:
            with self.refused(wrong):
                reference.thing.keep(key, replace=replace)
            return
        reference.thing.keep(key, replace=replace)
        self.model.keep(reference.page, text, reference.thing.nbytes)

    @precondition(lambda self: self.buffers)
    @rule(pick=picks)
    def unkeep(self, pick: int) -> None:
        reference = self.pick(pick, self.buffers)
        reference.thing.unkeep()
        self.model.unkeep(reference.page)

    @rule(key=KEYS)
    def find(self, key: str) -> None:
        self.find_under(key)

    # A key by chance is rarely one that is there.
    @precondition(lambda self: self.model.keys())
    @rule(pick=picks)
    def find_what_is_kept(self, pick: int) -> None:
        self.find_under(self.pick(pick, self.model.keys()))

    def find_under(self, key: str) -> None:
        """Look a key up, and compare what is found with the model."""
        page = self.model.page_under(key)
        assert (key in self.arena) == (page is not None)
        if page is None:
            with self.refused(KeyError):
                self.arena[key]
            return
        reference = self.refer_to_buffer(self.arena[key])
        assert (reference.page, reference.thing.nbytes) == (page, self.model.buffers[page].nbytes)
        assert reference.thing.kept

    @precondition(lambda self: self.model.kept)
    @rule(pick=picks)
    def unkeep_by_another(self, pick: int) -> None:
        page = self.pick(pick, sorted(self.model.kept))
        self.arena.buffer_at(page * self.page_size).unkeep()
        self.model.unkeep(page)
