"""A drop-in that cannot use an arena says so once, and counts."""

from __future__ import annotations

from threading import Barrier, Thread

from pagebuddy.arena.fallbacks import Fallbacks


def test_each_reason_is_logged_once_and_counted(caplog):
    fallbacks = Fallbacks("a drop-in")
    for _ in range(3):
        fallbacks.count("full", "5 pages are free")
    fallbacks.count("missing", "there is no arena")
    assert [record.getMessage() for record in caplog.records] == [
        "a drop-in: 5 pages are free",
        "a drop-in: there is no arena",
    ]
    assert fallbacks.counts == {"full": 3, "missing": 1}


def test_the_counts_are_a_copy():
    fallbacks = Fallbacks("a drop-in")
    fallbacks.counts["full"] = 7
    assert fallbacks.counts == {}


def test_threads_lose_no_count(caplog):
    fallbacks, begin = Fallbacks("a drop-in"), Barrier(4)

    def count():
        begin.wait(30)
        for _ in range(1000):
            fallbacks.count("full", "5 pages are free")

    threads = [Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fallbacks.counts == {"full": 4000}
    assert len(caplog.records) == 1
