"""Rules that allocate, view, write, release and resize buffers."""

from __future__ import annotations

from copy import copy, deepcopy
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from pagebuddy import BadFree, OutOfKeys
from pagebuddy.buffers.arrays import numpy
from verification.arena_machine.ground import KEYS, ME, Ground, pattern, picks, seeds, sizes
from verification.arena_machine.reference import Reference

_cuts = st.tuples(st.integers(0, 20), st.integers(0, 9000), st.integers(1, 3)).map(
    lambda cut: slice(cut[0], cut[0] + cut[1], cut[2])
)
_shapes = st.one_of(
    st.integers(0, 700),
    st.lists(st.integers(0, 20), max_size=3).map(tuple),
)


class Having(Ground):
    """Operations of a process on its own buffers."""

    def why_not_kept(
        self, page: int | None, key: str, replace: bool, kind: str = "buffer"
    ) -> type[Exception] | None:
        """Return the error that keeping a buffer must raise, or None."""
        if page is not None and self.model.is_kept_so(page, key, kind):
            return None
        taken = self.model.page_under(key, kind) is not None
        if taken and not replace:
            return ValueError
        # What takes the place of another finds room in any case.
        moves = taken or (page is not None and self.model.buffers[page].key is not None)
        return OutOfKeys if len(self.model.kept) == self.n_entries and not moves else None

    # Allocating

    @rule(
        nbytes=sizes,
        align=st.sampled_from([None, None, 1, 256, 16_384]),
        zero=st.booleans(),
        keep=st.one_of(st.none(), st.none(), st.just(True), KEYS),
        seed=seeds,
    )
    def alloc(
        self, nbytes: int, align: int | None, zero: bool, keep: bool | str | None, seed: int
    ) -> None:
        n_pages = self.pages_for(nbytes)
        options = {"align": align, "zero": zero, "keep": keep}
        if not self.model.has_room(n_pages, max((align or 1) // self.page_size, 1)):
            with self.out_of_pages(n_pages):
                self.arena.alloc(nbytes, **options)
            return
        key = keep if isinstance(keep, str) else ""
        wrong = None if keep is None else self.why_not_kept(None, key, False)
        if wrong:
            with self.refused(wrong):
                self.arena.alloc(nbytes, **options)
            return
        buffer = self.arena.alloc(nbytes, **options)
        assert (buffer.nbytes, buffer.capacity) == (nbytes, n_pages * self.page_size)
        assert buffer.offset % (align or 1) == 0
        assert not (zero and any(buffer.view))
        page = self.page_of(buffer)
        self.own(Reference(page, buffer, range(nbytes), is_buffer=True), n_pages, seed)
        if keep is not None:
            self.model.keep(page, key, nbytes)

    @rule(
        how=st.sampled_from(["empty", "zeros", "full", "copy"]),
        shape=_shapes,
        dtype=st.sampled_from(["u1", "f4", "c16", "M8[s]"]),
        order=st.sampled_from("CF"),
        seed=seeds,
    )
    def array(self, how: str, shape: Any, dtype: str, order: str, seed: int) -> None:
        np = numpy()
        like = np.zeros(shape, dtype, order)
        like.reshape(-1, order="A").view("u1")[:] = seed % 128
        calls = {
            "empty": lambda arena: arena.empty(shape, dtype, order),
            "zeros": lambda arena: arena.zeros(shape, dtype, order),
            "full": lambda arena: arena.full(shape, like.flat[0] if like.size else 0, dtype, order),
            "copy": lambda arena: arena.copy(like),
        }
        n_pages = self.pages_for(like.nbytes or 1)
        if not self.model.has_room(n_pages):
            with self.out_of_pages(n_pages):
                calls[how](self.arena)
            return
        made = calls[how](self.arena)
        assert (made.shape, made.dtype) == (like.shape, like.dtype)
        for way in ("c_contiguous", "f_contiguous"):
            assert getattr(made.flags, way) == getattr(like.flags, way)
        if how != "empty":
            assert made.tobytes() == (bytes(like.nbytes) if how == "zeros" else like.tobytes())
        array = made.reshape(-1, order="A").view("u1")
        page = self.page_of(self.arena.buffer_of(array))
        self.own(Reference(page, array, range(like.nbytes)), n_pages, seed)

    @precondition(lambda self: self.buffers)
    @rule(pick=picks)
    def copy_deeply(self, pick: int) -> None:
        buffer = self.pick(pick, self.buffers).thing
        n_pages = self.pages_for(buffer.nbytes)
        if not self.model.has_room(n_pages):
            with self.out_of_pages(n_pages):
                deepcopy(buffer)
            return
        twin = deepcopy(buffer)
        content = bytes(buffer.view)
        reference = Reference(self.page_of(twin), twin, range(twin.nbytes), is_buffer=True)
        assert reference.read() == content
        self.own(reference, n_pages, None)
        self.model.buffers[reference.page].contents[:] = content

    # Viewing and writing

    @precondition(lambda self: self.shown)
    @rule(pick=picks, cut=_cuts)
    def view(self, pick: int, cut: slice) -> None:
        self.refer(self.pick(pick, self.shown).part(cut))

    @precondition(lambda self: self.buffers)
    @rule(pick=picks)
    def array_of_buffer(self, pick: int) -> None:
        reference = self.pick(pick, self.buffers)
        self.refer(Reference(reference.page, reference.thing.array(), reference.places))

    @precondition(lambda self: self.buffers)
    @rule(pick=picks, by_numpy=st.booleans())
    def serve(self, pick: int, by_numpy: bool) -> None:
        """Use the buffer protocol, which uncompiled Buffers lack before Python 3.12."""
        reference = self.pick(pick, self.buffers)
        try:
            export = memoryview(reference.thing)
        except TypeError:
            return
        view = numpy().frombuffer(reference.thing, "u1") if by_numpy else export
        reference.served = True
        self.refer(Reference(reference.page, view, reference.places))

    @precondition(lambda self: self.shown)
    @rule(pick=picks)
    def buffer_of(self, pick: int) -> None:
        reference = self.pick(pick, self.shown)
        if reference.is_buffer:
            buffer = copy(reference.thing)
            assert buffer.nbytes == reference.thing.nbytes
        else:
            buffer = self.arena.buffer_of(reference.thing)
        assert self.page_of(buffer) == reference.page
        self.refer(Reference(reference.page, buffer, range(buffer.nbytes), is_buffer=True))

    @rule(page=st.integers(0, 260), pick=picks)
    def buffer_at(self, page: int, pick: int) -> None:
        if pick % 2 and self.model.buffers:
            page = self.pick(pick, sorted(self.model.buffers))
        if page >= self.n_pages:
            with self.refused(ValueError):
                self.arena.buffer_at(page * self.page_size)
        elif page not in self.model.buffers:
            with self.refused(BadFree):
                self.arena.buffer_at(page * self.page_size)
        else:
            buffer = self.refer_to_buffer(self.arena.buffer_at(page * self.page_size)).thing
            assert self.page_of(buffer) == page
            assert buffer.kept == (self.model.buffers[page].key is not None)

    @precondition(lambda self: self.writable)
    @rule(pick=picks, seed=seeds)
    def write(self, pick: int, seed: int) -> None:
        reference = self.pick(pick, self.writable)
        content = pattern(seed, len(reference.places))
        reference.write(content, self.model.buffers[reference.page].contents)

    # Releasing

    @precondition(lambda self: self.references)
    @rule(pick=picks)
    def drop(self, pick: int) -> None:
        self.forget(self.pick(pick, self.references))

    @precondition(lambda self: self.references)
    @rule(pick=picks, n=st.integers(2, 12))
    def drop_several(self, pick: int, n: int) -> None:
        for _ in range(min(n, len(self.references))):
            self.forget(self.pick(pick, self.references))

    @precondition(lambda self: any(reference.is_buffer for reference in self.references))
    @rule(pick=picks)
    def release(self, pick: int) -> None:
        buffers = [reference for reference in self.references if reference.is_buffer]
        reference = self.pick(pick, buffers)
        held = reference.holds
        reference.thing.release()
        reference.released = True
        if held and not reference.holds:
            self.model.let_go(reference.page, ME)
        with self.refused(ValueError):
            copy(reference.thing)
        with self.refused(ValueError):
            reference.thing.keep()

    # Resizing

    @precondition(lambda self: self.buffers)
    @rule(pick=picks, nbytes=sizes)
    def resize(self, pick: int, nbytes: int) -> None:
        reference = self.pick(pick, self.buffers)
        buffer, page = reference.thing, reference.page
        there = self.model.buffers[page]
        n, own = self.pages_for(nbytes), buffer.capacity // self.page_size
        # A buffer object that keeps its own size changes at most the length of a kept buffer, and that
        # only if the buffer has not become longer by another object.
        asks = n != own or (there.key is not None and n >= there.n_pages)
        if asks and n < there.n_pages:
            # Another object may have grown the same buffer since this one last looked.
            unseen = not reference.served and self.model.is_held_by_one_object(page)
            if n >= own or not unseen:
                with self.refused(BufferError):
                    buffer.resize(nbytes)
                return
        elif asks and not self.model.pages.can_resize(page, n):
            assert not buffer.resize(nbytes)
            return
        assert buffer.resize(nbytes)
        assert (buffer.nbytes, buffer.capacity) == (nbytes, n * self.page_size)
        if asks:
            self.model.resize(page, n)
            there.nbytes = nbytes
        reference.places = range(nbytes)
        del there.contents[there.n_pages * self.page_size :]
