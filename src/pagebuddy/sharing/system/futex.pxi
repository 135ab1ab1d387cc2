"""Waiting for a word in shared memory to change, in C. Uncompiled, `futex` has the same functions."""

from cpython.bytearray cimport PyByteArray_AS_STRING


cdef extern from *:
    """
    #if defined(__linux__)
      #include <linux/futex.h>
      #include <sched.h>
      #include <sys/syscall.h>
      /* The lower half of a word, which the system compares. */
      #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        #define PB_LOWER 1
      #else
        #define PB_LOWER 0
      #endif
      static unsigned *pb_futex(pb_u64 *words, pb_u64 index) { return (unsigned *)(words + index) + PB_LOWER; }
      static inline void pb_yield(void) { sched_yield(); }
      static void pb_futex_wait(pb_u64 *words, pb_u64 index, pb_u64 seen, pb_u64 milliseconds) {
          struct timespec time;
          time.tv_sec = (time_t)(milliseconds / 1000);
          time.tv_nsec = (long)(milliseconds % 1000) * 1000000L;
          syscall(SYS_futex, pb_futex(words, index), FUTEX_WAIT, (unsigned)seen, &time, NULL, 0); }
      static void pb_futex_wake(pb_u64 *words, pb_u64 index, int most) {
          syscall(SYS_futex, pb_futex(words, index), FUTEX_WAKE, most, NULL, NULL, 0); }
      static pb_u64 pb_address(pb_u64 *words, pb_u64 index) { return (pb_u64)(size_t)pb_futex(words, index); }
      static void pb_wake_at(pb_u64 address) {
          syscall(SYS_futex, (void *)(size_t)address, FUTEX_WAKE, 0x7FFFFFFF, NULL, NULL, 0); }
      static pb_u64 pb_clock_ns(void) {
          struct timespec now;
          clock_gettime(CLOCK_MONOTONIC, &now);
          return (pb_u64)now.tv_sec * 1000000000ULL + (pb_u64)now.tv_nsec; }
      /* Linux has this since 5.16, its headers need not. */
      #define PB_FUTEX_WAITV 449
      #define PB_FUTEX_32 2
      #define PB_MOST_FUTEXES 128
      typedef struct { pb_u64 seen, address; unsigned flags, reserved; } pb_waiter;
      /* Whether a futex is not as seen, or not there any more, which reading it could not tell. */
      static int pb_differs(pb_waiter *waiter) {
          void *at = (void *)(size_t)waiter->address;
          return syscall(SYS_futex, at, FUTEX_CMP_REQUEUE, 0, NULL, at, (unsigned)waiter->seen) < 0; }
      static void pb_wait_for_any(pb_waiter *waiters, unsigned n, pb_u64 milliseconds, pb_u64 pause) {
          const pb_u64 ms = 1000000ULL, s = 1000000000ULL;
          pb_u64 now = pb_clock_ns(), end = now + milliseconds * ms, limit;
          /* Two numbers of 64 bits on all machines. */
          struct { long long s, ns; } until;
          struct timespec time;
          unsigned i, most = n < PB_MOST_FUTEXES ? n : PB_MOST_FUTEXES;
          for (i = 0; i < most; i++) { waiters[i].flags = PB_FUTEX_32; waiters[i].reserved = 0; }
          for (; now < end; now = pb_clock_ns()) {
              for (i = most; i < n; i++) if (pb_differs(waiters + i)) return;
              limit = most < n && pause * ms < end - now ? pause * ms : end - now;
              if (pause < 20) pause++;
              if (most > 1) {
                  until.s = (long long)((now + limit) / s);
                  until.ns = (long long)((now + limit) % s);
                  if (syscall(PB_FUTEX_WAITV, waiters, most, 0, &until, CLOCK_MONOTONIC) >= 0) return;
                  if (errno == EAGAIN || errno == EINTR) return;
                  /* Without this call, wait for the first alone. */
                  if (errno != ETIMEDOUT) most = 1;
              } else {
                  time.tv_sec = (time_t)(limit / s);
                  time.tv_nsec = (long)(limit % s);
                  if (syscall(SYS_futex, (void *)(size_t)waiters->address, FUTEX_WAIT,
                              (unsigned)waiters->seen, &time, NULL, 0) >= 0) return;
                  if (errno != ETIMEDOUT) return; } } }
    #else
      #if defined(_WIN32)
        #include <windows.h>
        static void pb_pause_ms(void) { Sleep(1); }
      #else
        #include <unistd.h>
        static void pb_pause_ms(void) { usleep(1000); }
      #endif
      static void pb_futex_wait(pb_u64 *words, pb_u64 index, pb_u64 seen, pb_u64 milliseconds) { pb_pause_ms(); }
      static void pb_yield(void) {}
      static void pb_futex_wake(pb_u64 *words, pb_u64 index, int most) {}
      static pb_u64 pb_clock_ns(void) { return 0; }
      static pb_u64 pb_address(pb_u64 *words, pb_u64 index) { return 0; }
      static void pb_wake_at(pb_u64 address) {}
      typedef struct { pb_u64 seen, address; } pb_waiter;
      static void pb_wait_for_any(pb_waiter *waiters, unsigned n, pb_u64 milliseconds, pb_u64 pause) {
          pb_pause_ms(); }
    #endif
    """
    void futex_wait "pb_futex_wait"(u64 *words, u64 index, u64 seen, u64 milliseconds) nogil
    void futex_wake "pb_futex_wake"(u64 *words, u64 index, int most) nogil
    u64 clock_ns "pb_clock_ns"() nogil
    void yield_processor "pb_yield"() nogil
    u64 address_of_futex "pb_address"(u64 *words, u64 index) nogil
    void wake_at_address "pb_wake_at"(u64 address) nogil
    ctypedef struct waiter "pb_waiter":
        u64 seen
        u64 address
    void wait_at_addresses "pb_wait_for_any"(waiter *waiters, unsigned n, u64 milliseconds, u64 pause) nogil


def wait_for_any(list addresses, list seen, u64 milliseconds, u64 pause):
    """Wait until one of these futexes is not as seen, or is woken, at most so many ms.

    The system waits for 128 of them, or without `futex_waitv` for the first. The others are looked at
    after each pause, which grows to 20 ms. Signals are not handled.
    """
    cdef unsigned n = len(addresses)
    cdef unsigned i
    room = bytearray(n * sizeof(waiter))
    cdef waiter *waiters = <waiter *> PyByteArray_AS_STRING(room)
    for i in range(n):
        waiters[i].address = addresses[i]
        waiters[i].seen = seen[i]
    with nogil:
        wait_at_addresses(waiters, n, milliseconds, pause)


def wake_at(u64 address):
    """Wake all who wait for the futex at an address."""
    wake_at_address(address)
