"""Waiting for a ring to change: first by spinning, then asleep; and waking those who wait."""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.words import u64
    from pagebuddy.messages.ring import Ring
    from pagebuddy.sharing.system.atomic import fence, peek
    from pagebuddy.sharing.system.futex import address_of_futex, futex_wait
    from pagebuddy.sharing.system.sleepers import announce_sleeper, wake_anyway, wake_sleepers
    from pagebuddy.sharing.words import (
        EVERYBODY,
        LEAST_SPIN_NS,
        LEAST_SWITCH_NS,
        LONG_YIELD_NS,
        MOST_SPIN_NS,
        MOST_UNYIELDING,
        PAUSES_PER_LOOK,
        QUEUE,
        R_CLOSED,
        R_DONES,
        R_GETS,
        R_HEAD,
        R_PUTS,
        R_READY,
        SLEEPS_PER_TRIAL,
    )

    def clock_ns() -> int:
        """Return 0: uncompiled, nobody spins."""
        return 0

    def relax() -> None:
        """Do nothing."""

    def yield_processor() -> None:
        """Do nothing."""


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def wake_ring(r: Ring, which: u64, most: u64) -> cython.void:
    """Wake those who sleep at one of the ring's futexes, after a store that they wait for.

    In a closed ring all are woken: there will be no further message whose receiver wakes the next.
    """
    fence()
    if peek(r.words, R_CLOSED):
        wake_anyway(r.words, which, EVERYBODY)
    else:
        wake_sleepers(r.words, which, most)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def has_come(r: Ring, number: u64) -> cython.bint:
    """Whether a message is ready: in a queue any, in a topic one of this number or a later one."""
    if peek(r.words, R_CLOSED):
        return True
    if r.kind == QUEUE:
        return peek(r.words, R_READY) != 0
    return peek(r.words, R_HEAD) > number


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def yield_briefly(r: Ring) -> cython.bint:
    """Yield the processor; False if that took long.

    Another program that computes has it then, for milliseconds. So the next waits do not yield, twice as
    many each time; far fewer only after many waits with short yields.
    """
    before: u64 = clock_ns()
    yield_processor()
    took: u64 = clock_ns() - before
    # Otherwise nobody else wanted it.
    r.has_switched = took > LEAST_SWITCH_NS
    if took < LONG_YIELD_NS:
        return True
    if r.n_unyielding_next < MOST_UNYIELDING:
        r.n_unyielding_next *= 2
    r.n_unyielding = r.n_unyielding_next
    return False


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def spin_for_message(r: Ring, number: u64) -> cython.bint:
    """Look for a message for a short time: it takes less than to be woken, if one comes soon.

    Whoever is to put it may wait for this very processor, so it is yielded in between; at once, if that
    was so the last time.
    """
    if r.spin_ns == 0:
        return has_come(r, number)
    end: u64 = clock_ns() + r.spin_ns
    yields: cython.bint = r.n_unyielding == 0
    count: u64 = 3 if yields and r.has_switched else 0
    if not yields:
        r.n_unyielding -= 1
    r.has_switched = False
    while True:
        if has_come(r, number):
            # It was worth it: look for longer the next time.
            r.is_trial = False
            if count and r.spin_ns < MOST_SPIN_NS:
                r.spin_ns += r.spin_ns >> 2
            if yields:
                r.n_unyielding_next -= r.n_unyielding_next >> 8
            return True
        # Each look takes the line of these words from whoever puts a message.
        pause: u64 = 0
        while pause < PAUSES_PER_LOOK:
            relax()
            pause += 1
        count += 1
        if count & 3 == 0:
            if yields:
                yields = yield_briefly(r)
            if clock_ns() >= end:
                break
    if r.is_trial:
        r.spin_ns = LEAST_SPIN_NS
    elif r.spin_ns > LEAST_SPIN_NS:
        r.spin_ns -= r.spin_ns >> 3
    r.is_trial = False
    return False


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def sleep_at(r: Ring, which: u64, seen: u64, milliseconds: u64) -> cython.void:
    """Sleep at a futex.

    If sleeps for a message are short, the time may be that of the wakes alone: two processes that answer
    each other would sleep for ever. So a long spin is tried after some of them.
    """
    before: u64 = clock_ns()
    futex_wait(r.words, which, seen, milliseconds)
    if which == R_PUTS and r.spin_ns and clock_ns() - before < MOST_SPIN_NS:
        r.n_short_sleeps += 1
        if r.n_short_sleeps & (SLEEPS_PER_TRIAL - 1) == 0:
            r.spin_ns = MOST_SPIN_NS
            r.is_trial = True


@cython.no_gc
@cython.cclass
class RingFutexes:
    """The futexes of a ring, at which those sleep who wait for it to change."""

    ring: Ring

    def spin(self, number: u64 = 0) -> bool:
        """Wait for a very short time for a message, in a topic for that number; whether one has come.

        Nobody needs to wake this process meanwhile, so it does not announce that it sleeps.
        """
        r: Ring = self.ring
        has_come: cython.bint = False
        if cython.compiled:
            with cython.nogil:  # type: ignore[attr-defined]
                has_come = spin_for_message(r, number)
        return has_come

    def announce(self, which: u64) -> u64:
        """Say that this process will sleep at a futex of the ring; look again, then `sleep`."""
        return announce_sleeper(self.ring.words, which)

    def sleep(self, which: u64, seen: u64, milliseconds: u64) -> None:
        """Sleep until the futex is not as seen, at most so long, and handle signals."""
        r: Ring = self.ring
        if cython.compiled:
            with cython.nogil:  # type: ignore[attr-defined]
                sleep_at(r, which, seen, milliseconds)
            handle_signals()  # type: ignore[name-defined]  # noqa: F821
        else:
            futex_wait(r.words, which, seen, milliseconds)

    def value(self, which: u64) -> int:
        """The value of a futex of the ring."""
        return peek(self.ring.words, which)

    def address(self, which: u64) -> int:
        """The address of a futex of the ring, valid as long as the arena is mapped."""
        return address_of_futex(self.ring.words, which)

    def wake_next(self) -> None:
        """Pass on a wake that was meant for a consumer who leaves without a message."""
        if peek(self.ring.words, R_READY):
            wake_anyway(self.ring.words, R_PUTS, 1)

    def wake_all(self) -> None:
        """Wake everybody who waits for anything."""
        wake_anyway(self.ring.words, R_PUTS, EVERYBODY)
        wake_anyway(self.ring.words, R_GETS, EVERYBODY)
        wake_anyway(self.ring.words, R_DONES, EVERYBODY)
