"""Threads share an allocator, in both engines. Ctrl-C leaves no operation half done."""

import copy
import random
import signal
import sys
import threading
from array import array
from contextlib import suppress

import pytest

from pagebuddy import BadFree, OutOfPages, PageRanges
from pagebuddy.allocator.buddy import BuddyAllocator as Uncompiled


def test_threads_allocate_and_free_at_the_same_time(Buddy):
    buddy = Buddy(1 << 10)
    owners = {}
    failures = []
    start = threading.Barrier(4)

    def work(number):
        rng = random.Random(number)
        mine = []
        start.wait()
        try:
            for _ in range(800):
                if mine and (len(mine) > 20 or rng.random() < 0.5):
                    page, n = mine.pop(rng.randrange(len(mine)))
                    for taken in range(page, page + n):
                        assert owners.pop(taken) == number
                    buddy.free(page, n_pages=n)
                else:
                    n = rng.randrange(1, 9)
                    page = buddy.alloc(n)
                    for taken in range(page, page + n):
                        assert owners.setdefault(taken, number) == number
                    mine.append((page, n))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    buddy.verify()


class Meddler:
    """An integer-like object that runs other code when it is read, as another thread could."""

    def __init__(self, number, meddle):
        self.number = number
        self.meddle = meddle

    def __index__(self):
        with suppress(RuntimeError):
            # The uncompiled engine refuses a call inside a call, so it cannot be interrupted there.
            self.meddle()
        return self.number


@pytest.mark.parametrize("told", ["n_pages", "generation"])
def test_arguments_are_read_before_the_span_is_looked_up(Buddy, told):
    """Reading a number runs Python code. Meanwhile another thread may switch to another page range."""
    buddy = Buddy(PageRanges([(0, 64), (1000, 64)]))
    for page in (3, 1060):
        buddy.alloc_at(page, 4)
    number = 4 if told == "n_pages" else buddy.generation_of(1060)
    buddy.free(1060, **{told: Meddler(number, lambda: buddy.size_of(3))})
    assert list(buddy.spans()) == [(3, 4)]
    buddy.verify()


@pytest.mark.parametrize("told", ["n_pages", "generation"])
def test_a_span_freed_while_arguments_are_read_is_not_freed_again(Buddy, told):
    buddy = Buddy(64)
    buddy.alloc_at(3, 4)
    buddy.alloc_at(8, 8)
    number = 4 if told == "n_pages" else buddy.generation_of(3)

    def meddle():
        buddy.free(3)
        buddy.stats()

    with suppress(BadFree):
        buddy.free(3, **{told: Meddler(number, meddle)})
    assert list(buddy.spans()) == [(8, 8)]
    buddy.verify()


def test_a_batch_fails_if_another_thread_took_its_room(Buddy):
    """Making room for a batch's result runs Python code. Meanwhile another thread may allocate."""
    buddy = Buddy(64)
    taken = []

    def meddle(frame, event, argument):
        if event == "call" and frame.f_code.co_name == "new_vector":
            with suppress(RuntimeError):
                taken.append(buddy.alloc(30))

    before = sys.getprofile()
    sys.setprofile(meddle)
    try:
        with suppress(OutOfPages):
            taken.extend(buddy.alloc_many(0, 40))
    finally:
        sys.setprofile(before)
    assert len(taken) in (1, 40)
    assert [page for page, _ in buddy.spans()] == sorted(taken)
    buddy.verify()


def test_spans_can_be_listed_while_another_thread_frees_them(Buddy):
    class Busy(Buddy):
        def generation_of(self, page, /):
            self.free(page)
            return super().generation_of(page)

    buddy = Busy(64)
    buddy.alloc(5)
    assert "  0 +5 live\n" in buddy.dump()


def test_look_ups_in_one_thread_do_not_disturb_another():
    """Even looking up a page switches the page range: the uncompiled engine needs the lock for it."""
    buddy = Uncompiled(PageRanges([(0, 64), (1000, 64), (5000, 64)]))
    over = threading.Event()
    start = threading.Barrier(2)
    found = []

    def look():
        start.wait()
        while not over.is_set():
            for page in (3, 1003, 5003):
                if page in buddy:
                    found.append(buddy.size_of(page))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=look)
    buddy.alloc_at(3, 2)
    thread.start()
    start.wait()
    try:
        for _ in range(150):
            pages = [buddy.alloc(n, above=page) for n in (1, 5) for page in (64, 1064)]
            buddy.alloc_at(1060, 4)
            buddy.free(1060)
            for page in pages:
                buddy.free(page)
    finally:
        over.set()
        thread.join()
        sys.setswitchinterval(before)
    buddy.verify()
    assert set(found) == {2}


class Interrupted(Exception):
    """Raised by the signal handler."""


def test_an_interrupted_call_is_recovered():
    """In the uncompiled engine a signal can arrive between any two stores. The records decide."""
    buddy = Uncompiled(1 << 12)
    pages = [buddy.alloc(n) for n in (3, 1, 7, 2) * 40]

    def strike(number, frame):
        raise Interrupted

    # Not in the `try` itself: on Python 3.14 the jump back of a loop is not part of it.
    def work(pages):
        while True:
            if pages and rng.random() < 0.5:
                buddy.free(pages[-1])
                pages.pop()
            else:
                pages.append(buddy.alloc(rng.randrange(1, 9)))
            if len(pages) > 300:
                buddy.free_many(pages[200:])
                del pages[200:]

    before = signal.signal(signal.SIGALRM, strike)
    struck = 0
    rng = random.Random(1)
    try:
        for _ in range(60):
            try:
                # The timer fires once, possibly as soon as it is set.
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-5, 2e-3))
                work(pages)
            except Interrupted:
                struck += 1
            buddy.verify()
            pages = [page for page, _ in buddy.spans()]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert struck == 60


@pytest.mark.parametrize("call", [lambda buddy: buddy.alloc(1), copy.copy], ids=["alloc", "copy"])
def test_a_call_inside_a_call_is_refused(call):
    """A signal handler, for example, can run between any two lines of a call."""
    buddy = Uncompiled(64)
    caught = []

    def meddle(frame, event, argument):
        if buddy.in_call:
            sys.settrace(None)
            with pytest.raises(RuntimeError, match="inside another call"):
                call(buddy)
            caught.append(True)

    before = sys.gettrace()
    sys.settrace(meddle)
    try:
        page = buddy.alloc(2)
    finally:
        sys.settrace(before)
    assert buddy.size_of(page) == 2
    assert caught


def test_arguments_that_call_the_same_allocator_are_read_before_the_call(Buddy):
    buddy = Buddy(64)

    class Calling:
        """A number that is found by allocating and freeing."""

        def __init__(self, number):
            self.number = number

        def __index__(self):
            buddy.free(buddy.alloc(1))
            return self.number

    for n in (1, 5, 2):
        buddy.alloc(n)
    buddy.free_many(page for page, n in buddy.spans() if n > 1)
    assert [n for _, n in buddy.spans()] == [1]
    page = buddy.alloc(Calling(3), align=Calling(4))
    assert buddy.size_of(Calling(page)) == 3
    assert Calling(page) in buddy
    assert buddy.resize(Calling(page), Calling(2))
    buddy.free_many([Calling(page)])
    slots = array("Q", [0])
    assert buddy.run((Calling(what << 32) for what in (0, 6)), slots) == 0
    assert buddy.size_of(slots[0]) == 6
    buddy.free(Calling(slots[0]), n_pages=Calling(6))
    assert not list(buddy.spans())
    buddy.verify()
