/* A ring of 64-bit numbers between two processes, with a futex on each side: the lower bound of `messages`.

   Prints messages in a second one way, and microseconds of a round trip, awake and asleep. */

#define _GNU_SOURCE
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CELLS = 1024, MESSAGES = 1000000, TRIPS = 20000, SLEPT = 100, SPINS = 2000 };

typedef struct {
    _Alignas(64) _Atomic uint64_t head;
    _Alignas(64) _Atomic uint64_t tail;
    _Alignas(64) _Atomic uint32_t bell;
    _Atomic uint32_t sleeps;
    _Alignas(64) uint64_t cells[CELLS];
} Ring;

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void wait_for(Ring *r, uint64_t tail) {
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&r->head) != tail) return;
        relax();
    }
    while (atomic_load(&r->head) == tail) {
        uint32_t seen = atomic_load(&r->bell);
        atomic_store(&r->sleeps, 1);
        if (atomic_load(&r->head) != tail) break;
        syscall(SYS_futex, &r->bell, FUTEX_WAIT, seen, NULL, NULL, 0);
    }
}

static void put(Ring *r, uint64_t value) {
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    while (head - atomic_load(&r->tail) == CELLS) sched_yield();
    r->cells[head % CELLS] = value;
    atomic_store(&r->head, head + 1);
    if (atomic_load(&r->sleeps) && atomic_exchange(&r->sleeps, 0)) {
        atomic_fetch_add(&r->bell, 1);
        syscall(SYS_futex, &r->bell, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
}

static uint64_t get(Ring *r) {
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    wait_for(r, tail);
    uint64_t value = r->cells[tail % CELLS];
    atomic_store(&r->tail, tail + 1);
    return value;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

int main(void) {
    Ring *there = mmap(NULL, 2 * sizeof(Ring), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    Ring *back = there + 1;
    if (fork() == 0) {
        for (int i = 0; i < MESSAGES; i++) get(there);
        put(back, 1);
        for (int i = 0; i < TRIPS + SLEPT; i++) put(back, get(there));
        _exit(0);
    }
    double start = now();
    for (int i = 0; i < MESSAGES; i++) put(there, i);
    get(back);
    printf("messages/s one to one %.0f\n", MESSAGES / (now() - start));
    start = now();
    for (int i = 0; i < TRIPS; i++) put(there, i), get(back);
    printf("round trip µs awake %.3f\n", (now() - start) / TRIPS * 1e6);
    double slept = 0;
    for (int i = 0; i < SLEPT; i++) {
        usleep(3000);
        start = now();
        put(there, i);
        get(back);
        slept += now() - start;
    }
    printf("round trip µs asleep %.3f\n", slept / SLEPT * 1e6);
    wait(NULL);
    return 0;
}
