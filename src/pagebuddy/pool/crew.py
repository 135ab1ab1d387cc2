"""Crew: the worker processes of a pool, as the pool's process sees them."""

from __future__ import annotations

import time
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import wait
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from pagebuddy.exchange.dumping import has_cloudpickle
from pagebuddy.pool.calls import main_is_importable
from pagebuddy.pool.died import WorkerDied, exit_text
from pagebuddy.pool.frames import HEAD
from pagebuddy.pool.worker import Beginning, work
from pagebuddy.sharing.words import OP_REAP, P_COUNTS, P_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pagebuddy.arena.arena import Arena
    from pagebuddy.pool.dispatcher import Dispatcher

_PAUSE_S = 0.1
# How many workers in a row may be killed before they have begun. One that ended by itself counts as 20.
_MOST_FAILED_STARTS = 100
_PATIENCE_S = 10.0


class Plan(NamedTuple):
    """What the workers of a pool are like."""

    arena: Arena
    n_workers: int
    context: Any
    initializer: Callable[..., object] | None
    initargs: tuple[Any, ...]
    numpy_memory: bool
    most_tasks: int | None
    restart: bool

    @property
    def forks(self) -> bool:
        """Whether workers are forked: then all at once, before the pool has a thread."""
        return self.context.get_start_method(allow_none=False) == "fork"  # type: ignore[no-any-return]


class Worker:
    """A worker process: its row, and what it was doing when it was looked at."""

    def __init__(self, row: int, process: Any, beginning: Beginning, progress: Any) -> None:
        self.row = row
        self.process = process
        self.beginning = beginning
        self.progress = progress
        self.is_started = False
        self.is_ready = False
        self.seen = (0, 0, 0)


class Crew:
    """Starts workers, finds out which have died, and replaces them."""

    def __init__(self, dispatcher: Dispatcher, plan: Plan) -> None:
        self._dispatcher = dispatcher
        self._plan = plan
        self._workers: dict[int, Worker] = {}
        self._lock = Lock()
        self._looked = 0.0
        self._n_failed_starts = 0
        self._has_begun = False
        # Messages that dead workers had in hand.
        self._in_hand: list[bytes] = []
        self._seen_ready = False
        # Why the pool is to break.
        self._cause: BaseException | None = None

    def __len__(self) -> int:
        return len(self._workers)

    def processes(self) -> list[Any]:
        """The worker processes."""
        return [worker.process for worker in list(self._workers.values()) if worker.is_started]

    def sentinels(self) -> list[int]:
        """What becomes ready when a worker ends."""
        workers = list(self._workers.values())
        return [worker.process.sentinel for worker in workers if worker.is_started]

    def n_ready(self) -> int:
        """How many workers have begun."""
        return sum(worker.is_ready for worker in list(self._workers.values()))

    def knows_main(self) -> bool:
        """Whether workers find by its name what `__main__` has now."""
        if main_is_importable():
            return True
        # Forked workers know what was there before. Without cloudpickle, there is no other way.
        return self._plan.forks and (not self._workers or not has_cloudpickle())

    # -- starting

    def start_some(self, n_open: int) -> None:
        """Start workers for so many open calls. The caller has the dispatcher's lock.

        Raises `BrokenProcessPool` if the fork server has died.
        """
        n, most = len(self._workers), self._plan.n_workers
        if n >= most or (n and self._plan.forks):
            return
        wanted = most if self._plan.forks else min(n_open, most)
        for row in range(most):
            if len(self._workers) >= wanted:
                break
            if row not in self._workers:
                self._start(row)

    def _start(self, row: int) -> None:
        plan, rings = self._plan, self._dispatcher.rings
        at = (1 + row) * P_WORDS + P_COUNTS
        rings.words[at] = 0
        beginning = Beginning(
            plan.arena,
            rings.places,
            row,
            plan.initializer,
            plan.initargs,
            plan.numpy_memory,
            plan.most_tasks,
        )
        process = plan.context.Process(target=work, args=(beginning,))
        worker = self._workers[row] = Worker(row, process, beginning, rings.progress(row))
        try:
            process.start()
            worker.is_started = True
        except (ConnectionError, EOFError) as error:
            del self._workers[row]
            beginning.drop()
            cause = RuntimeError(
                "the fork server died when a worker was to be started; see its output for the cause"
            )
            cause.__cause__ = error
            self._dispatcher.break_apart(cause)
            raise BrokenProcessPool(str(cause)) from error
        except BaseException:
            if process.pid is None:
                del self._workers[row]
                beginning.drop()
            else:
                worker.is_started = True
            raise

    def is_ready(self, row: int) -> None:
        """Note that a worker has begun."""
        worker = self._workers.get(row)
        if worker is not None:
            worker.is_ready = True
            worker.beginning.forget()
            self._has_begun = True
            self._n_failed_starts = 0

    def has_not_begun(self, row: int) -> None:
        """Break the pool: an initializer raised an exception."""
        worker = self._workers.get(row)
        if worker is not None:
            # It ends by itself. Before that it sends what it has logged.
            worker.process.join(_PATIENCE_S)
        self._dispatcher.break_apart(
            RuntimeError(
                "the initializer raised an exception in a worker; its log has the traceback"
            )
        )

    # -- looking after

    def look_after_sometimes(self) -> None:
        """`look_after`, if that was long ago."""
        if time.monotonic() - self._looked >= _PAUSE_S:
            self.look_after()

    def look_after(self) -> None:
        """Find workers that have died, and calls that wait although workers are idle."""
        if not self._lock.locked():
            with self._lock:
                self._look()
        # Without the lock, because callbacks may wait for other calls.
        self._dispatcher.end_landed()
        self._dispatcher.sender.feed()
        cause = self._cause
        if cause is None and self._dispatcher.sender.n_open():
            # A call that was being sent when the pool broke.
            cause = self._dispatcher.broken
        if cause is not None:
            self._dispatcher.break_apart(cause)

    def _look(self) -> None:
        if self._dispatcher.is_closing:
            return
        self._looked = time.monotonic()
        workers = [worker for worker in list(self._workers.values()) if worker.is_started]
        ended = set(wait([worker.process.sentinel for worker in workers], 0)) if workers else ()
        for worker in workers:
            if worker.process.sentinel in ended or worker.process.exitcode is not None:
                self._bury(worker)
        if not self._plan.forks and self._cause is None:
            self._replace()
        self._hurry()
        self._dispatcher.note_figures()

    def _replace(self) -> None:
        """Start workers in place of those that have died, if there are calls for them."""
        dispatcher = self._dispatcher
        try:
            with dispatcher.locked():
                if dispatcher.broken is None:
                    self.start_some(dispatcher.sender.n_open())
        except BrokenProcessPool:
            # It says so to all calls.
            return
        except Exception as error:
            self._cause = RuntimeError(f"a worker could not be started: {error}")
            self._cause.__cause__ = error

    def _hurry(self) -> None:
        """Take back what waits behind a slow call, and wake those that missed their wake."""
        dispatcher = self._dispatcher
        rings = dispatcher.rings
        if rings is None:
            return
        is_waiting = rings.calls.n_ready() > 0
        if is_waiting and self._seen_ready:
            # The one that was woken for it is stopped, or has died.
            rings.calls.wake_all()
        self._seen_ready = is_waiting
        for worker in list(self._workers.values()):
            seen = worker.progress.read()
            first, started, n = seen
            is_stuck = seen == worker.seen and started < n and not is_waiting
            # Uncompiled, the worker might start the call nevertheless.
            if is_stuck and dispatcher.sender.has_batches:
                first, started, n = worker.progress.take_back()
                dispatcher.sender.give_back(range(first + started, first + n))
            worker.seen = seen

    def _bury(self, worker: Worker) -> None:
        """End the call that a dead worker was running, return the others, and replace the worker."""
        dispatcher, process = self._dispatcher, worker.process
        process.join(_PATIENCE_S)
        exitcode = process.exitcode
        rings = dispatcher.rings
        a = rings.a
        # Everything that it held.
        a.perform(a.request(), OP_REAP)
        rings.results.end_what_the_dead_own()
        dispatcher.drain(later=True)
        rings.calls.end_what_the_dead_own(self._in_hand)
        first, started, n = worker.progress.read()
        dead = None
        with dispatcher.locked():
            sent = dispatcher.sender.sent
            dispatcher.sender.give_back(range(first + started, first + n))
            if started:
                dead = sent.get(first + started - 1)
                if dead is not None and dead.arrived:
                    dead = None
            self._give_back_what_was_in_hand()
        if dead is not None and dead.lives and self._plan.restart:
            dead.lives -= 1
            dispatcher.sender.give_back([dead.number])
            dead = None
        has_left = exitcode == 0 and self._plan.most_tasks is not None and dead is None
        if not worker.is_ready and exitcode != 0:
            ended_itself = exitcode is None or exitcode > 0
            self._n_failed_starts += 20 if ended_itself else 1
            if not self._has_begun and ended_itself:
                # By itself, before any worker has begun: the next would do the same.
                self._n_failed_starts = _MOST_FAILED_STARTS
        worker.beginning.drop()
        error: BaseException | None = None
        if dead is not None:
            error = WorkerDied(process.pid, exitcode, dead.target.name, dead.number)
        if not has_left and not self._plan.restart:
            cause = error or RuntimeError(
                f"the worker process {process.pid} {exit_text(exitcode)}; the pool is broken"
            )
            self._cause = cause
            self._workers.pop(worker.row, None)
            return
        if self._n_failed_starts >= _MOST_FAILED_STARTS:
            self._cause = RuntimeError(
                f"a worker {exit_text(exitcode)} before it had begun, as did those before it; see the "
                "output of the workers for the cause"
            )
            self._workers.pop(worker.row, None)
            return
        if dead is not None and error is not None:
            dispatcher.land(dead, error)
        del error
        self._workers.pop(worker.row, None)
        # The wake of a call may have been the dead worker's.
        rings.calls.wake_all()

    def _give_back_what_was_in_hand(self) -> None:
        while self._in_hand:
            first, n, _ = HEAD.unpack_from(self._in_hand[0])
            rows = [worker.progress.read() for worker in list(self._workers.values())]
            # If a row has it, that says what was started.
            if not any(count and noted == first for noted, _, count in rows):
                self._dispatcher.sender.give_back(range(first, first + n))
            self._in_hand.pop(0)

    # -- the end

    def kill(self, terminate: bool) -> None:
        """Send all workers SIGKILL or SIGTERM."""
        for process in self.processes():
            with suppress(ProcessLookupError, ValueError):
                if terminate:
                    process.terminate()
                else:
                    process.kill()

    def end(self, is_broken: bool) -> None:
        """Wait until all workers have ended; if the pool is broken, end them."""
        with self._lock:
            if is_broken:
                self.kill(terminate=True)
            for worker in list(self._workers.values()):
                if not worker.is_started:
                    continue
                if is_broken:
                    worker.process.join(_PATIENCE_S)
                    if worker.process.is_alive():
                        worker.process.kill()
                worker.process.join()
                worker.beginning.drop()
            self._workers.clear()
            self._plan = self._plan._replace(initializer=None, initargs=())
            rings = self._dispatcher.rings
            if rings is not None and not self._plan.arena.closed:
                rings.a.perform(rings.a.request(), OP_REAP)
