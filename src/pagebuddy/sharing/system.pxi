"""What sharing needs of the system, in C: the mutex, locks on bytes, who is alive, deferred ends.

Uncompiled, `lock`, `gate`, `alive` and `deferred` have the same functions. Only Linux has robust mutexes
and locks that belong to an open file; elsewhere an arena serves one process.
"""

cdef extern from *:
    """
    #include <errno.h>
    #include <stdlib.h>
    #include <string.h>
    #define PB_DONE 0
    #define PB_LOCKED 2
    #define PB_OWN_LOCK 3
    #define PB_UNLOCKABLE 5
    #define PB_OWNER_DIED 14
    typedef unsigned long long pb_u64;

    #if defined(__linux__)
      #include <fcntl.h>
      #include <pthread.h>
      #include <sys/mman.h>
      #include <sys/stat.h>
      #include <time.h>
      #include <unistd.h>

      #define PB_MUTEX_AT 16
      #define PB_FIRST_BYTE (1LL << 62)
      #define PB_LOCK_BYTE (PB_FIRST_BYTE - 4)
      #if defined(__GLIBC__)
        #define PB_LIBC 1
      #else
        #define PB_LIBC 2
      #endif
      #if defined(__x86_64__)
        #define PB_MACHINE 1
      #elif defined(__aarch64__)
        #define PB_MACHINE 2
      #else
        #define PB_MACHINE (100 + sizeof(long))
      #endif
      typedef char pb_mutex_fits[sizeof(pthread_mutex_t) <= 48 ? 1 : -1];

      /* Whose mutex it is: the C library, the machine, the size. */
      static pb_u64 pb_mutex_kind(void) {
          return (pb_u64)PB_LIBC << 24 | (pb_u64)PB_MACHINE << 16 | sizeof(pthread_mutex_t); }

      static pthread_mutex_t *pb_mutex(pb_u64 *words) {
          return (pthread_mutex_t *)(words + PB_MUTEX_AT); }

      static int pb_mutex_make(pthread_mutex_t *mutex, int shared) {
          pthread_mutexattr_t attributes;
          int failed = pthread_mutexattr_init(&attributes);
          if (failed) return failed;
          pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
          if (shared) {
              pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
              pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED); }
          memset(mutex, 0, sizeof *mutex);
          failed = pthread_mutex_init(mutex, &attributes);
          pthread_mutexattr_destroy(&attributes);
          return failed; }

      static pb_u64 pb_answer(int failed) {
          return failed == 0 ? PB_DONE
               : failed == EOWNERDEAD ? PB_OWNER_DIED
               : failed == EBUSY || failed == ETIMEDOUT ? PB_LOCKED
               : failed == EDEADLK ? PB_OWN_LOCK : PB_UNLOCKABLE; }

      static pb_u64 pb_wait(pthread_mutex_t *mutex, pb_u64 milliseconds) {
          struct timespec end;
          int failed;
      #if defined(__GLIBC__) && __GLIBC_PREREQ(2, 30)
          const int steady = 1;
      #else
          const int steady = 0;
      #endif
          clock_gettime(steady ? CLOCK_MONOTONIC : CLOCK_REALTIME, &end);
          end.tv_sec += (time_t)(milliseconds / 1000);
          end.tv_nsec += (long)(milliseconds % 1000) * 1000000L;
          if (end.tv_nsec >= 1000000000L) { end.tv_sec++; end.tv_nsec -= 1000000000L; }
      #if defined(__GLIBC__) && __GLIBC_PREREQ(2, 30)
          failed = pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &end);
      #else
          failed = pthread_mutex_timedlock(mutex, &end);
      #endif
          return pb_answer(failed); }

      static inline pb_u64 pb_mutex_take(pb_u64 *words, pb_u64 milliseconds) {
          pb_u64 answer = pb_answer(pthread_mutex_trylock(pb_mutex(words)));
          return answer == PB_LOCKED && milliseconds ? pb_wait(pb_mutex(words), milliseconds) : answer; }

      static inline void pb_mutex_give(pb_u64 *words) { pthread_mutex_unlock(pb_mutex(words)); }
      static void pb_mutex_mend(pb_u64 *words) { pthread_mutex_consistent(pb_mutex(words)); }

      static void *pb_new_gate(void) {
          pthread_mutex_t *gate = malloc(sizeof *gate);
          if (gate && pb_mutex_make(gate, 0)) { free(gate); gate = NULL; }
          return gate; }
      static pb_u64 pb_gate_take(void *gate, pb_u64 milliseconds) {
          pb_u64 answer = pb_answer(pthread_mutex_trylock(gate));
          return answer == PB_LOCKED && milliseconds ? pb_wait(gate, milliseconds) : answer; }
      static void pb_gate_give(void *gate) { pthread_mutex_unlock(gate); }

      static int pb_byte(int fd, int command, int kind, long long byte, int *found) {
          struct flock lock;
          int done;
          memset(&lock, 0, sizeof lock);
          lock.l_type = (short)kind;
          lock.l_whence = SEEK_SET;
          lock.l_start = byte;
          lock.l_len = 1;
          do done = fcntl(fd, command, &lock); while (done < 0 && errno == EINTR);
          if (found) *found = lock.l_type;
          return done; }

      static pb_u64 pb_byte_take(int fd, pb_u64 milliseconds) {
          struct timespec pause = {0, 100000}, now;
          pb_u64 end = 0, time;
          for (;;) {
              if (pb_byte(fd, F_OFD_SETLK, F_WRLCK, PB_LOCK_BYTE, NULL) == 0) return PB_DONE;
              if (errno != EAGAIN && errno != EACCES) return PB_UNLOCKABLE;
              if (milliseconds == 0) return PB_LOCKED;
              clock_gettime(CLOCK_MONOTONIC, &now);
              time = (pb_u64)now.tv_sec * 1000 + (pb_u64)now.tv_nsec / 1000000;
              if (end == 0) end = time + milliseconds;
              if (time >= end) return PB_LOCKED;
              nanosleep(&pause, NULL); } }
      static void pb_byte_give(int fd) { pb_byte(fd, F_OFD_SETLK, F_UNLCK, PB_LOCK_BYTE, NULL); }

      /* Whether another open file has the lease of a slot; 1 as well where that cannot be told. */
      static int pb_lease_is_taken(int fd, pb_u64 slot) {
          int found;
          if (pb_byte(fd, F_OFD_GETLK, F_WRLCK, PB_FIRST_BYTE + (long long)slot, &found)) return 1;
          return found != F_UNLCK; }
      static int pb_is_file(int fd, pb_u64 device, pb_u64 inode) {
          struct stat status;
          return fd >= 0 && fstat(fd, &status) == 0 && (pb_u64)status.st_dev == device
                 && (pb_u64)status.st_ino == inode; }
      static void pb_let_go(void *address, pb_u64 n_bytes, int fd) {
          if (n_bytes) munmap(address, n_bytes);
          if (fd >= 0) close(fd); }
    #else
      static pb_u64 pb_mutex_kind(void) { return 0; }
      static int pb_mutex_make(void *mutex, int shared) { return ENOSYS; }
      static pb_u64 pb_mutex_take(pb_u64 *words, pb_u64 milliseconds) { return PB_UNLOCKABLE; }
      static void pb_mutex_give(pb_u64 *words) {}
      static void pb_mutex_mend(pb_u64 *words) {}
      static void *pb_mutex(pb_u64 *words) { return words; }
      static void *pb_new_gate(void) { return malloc(1); }
      static pb_u64 pb_gate_take(void *gate, pb_u64 milliseconds) { return PB_UNLOCKABLE; }
      static void pb_gate_give(void *gate) {}
      static pb_u64 pb_byte_take(int fd, pb_u64 milliseconds) { return PB_UNLOCKABLE; }
      static void pb_byte_give(int fd) {}
      static int pb_lease_is_taken(int fd, pb_u64 slot) { return 1; }
      static int pb_is_file(int fd, pb_u64 device, pb_u64 inode) { return 0; }
      static void pb_let_go(void *address, pb_u64 n_bytes, int fd) {}
    #endif

    /* Deferred ends: threads push without a lock, whoever has the arena's lock takes them all. */
    typedef struct pb_end { struct pb_end *next; pb_u64 node; } pb_end;
    static void pb_defer(void **list, pb_u64 node) {
        pb_end *end = malloc(sizeof *end);
        /* Without memory the hold lasts as long as the process. */
        if (!end) return;
        end->node = node;
    #if defined(_MSC_VER)
        end->next = *list; *list = end;
    #else
        end->next = __atomic_load_n((pb_end **)list, __ATOMIC_RELAXED);
        while (!__atomic_compare_exchange_n((pb_end **)list, &end->next, end, 1, __ATOMIC_RELEASE,
                                            __ATOMIC_RELAXED)) {}
    #endif
    }
    static pb_u64 pb_next_deferred(void **list) {
        pb_end *end;
        pb_u64 node;
    #if defined(_MSC_VER)
        end = *list;
        if (!end) return 0;
        *list = end->next;
    #else
        /* One at a time: there is a single consumer, so what was read cannot come back meanwhile. */
        end = __atomic_load_n((pb_end **)list, __ATOMIC_ACQUIRE);
        while (end && !__atomic_compare_exchange_n((pb_end **)list, &end, end->next, 1, __ATOMIC_ACQUIRE,
                                                   __ATOMIC_ACQUIRE)) {}
        if (!end) return 0;
    #endif
        node = end->node;
        free(end);
        return node; }
    static void *pb_at(pb_u64 address) { return (void *)(size_t)address; }
    """
    u64 mutex_kind "pb_mutex_kind"() nogil
    int mutex_made "pb_mutex_make"(void *mutex, int shared) nogil
    void *mutex_of "pb_mutex"(u64 *words) nogil
    u64 mutex_take "pb_mutex_take"(u64 *words, u64 milliseconds) nogil
    void mutex_give "pb_mutex_give"(u64 *words) nogil
    void mutex_mend "pb_mutex_mend"(u64 *words) nogil
    void *new_gate "pb_new_gate"() nogil
    u64 gate_take "pb_gate_take"(void *gate, u64 milliseconds) nogil
    void gate_give "pb_gate_give"(void *gate) nogil
    u64 byte_take "pb_byte_take"(int fd, u64 milliseconds) nogil
    void byte_give "pb_byte_give"(int fd) nogil
    bint lease_is_taken "pb_lease_is_taken"(int fd, u64 slot) nogil
    bint is_file "pb_is_file"(int fd, u64 device, u64 inode) nogil
    void let_go "pb_let_go"(void *address, u64 n_bytes, int fd) nogil
    void push_deferred "pb_defer"(void **ends, u64 node) nogil
    u64 pop_deferred "pb_next_deferred"(void **ends) nogil
    void *at_address "pb_at"(u64 address) nogil
    void free "free"(void *memory) nogil
    void *memset "memset"(void *memory, int value, size_t n_bytes) nogil


cdef inline u64 *words_from_at(u64 *words, u64 index) noexcept nogil:
    return words + index


cdef inline bint lease_is_gone(Attachment a, u64 slot) noexcept nogil:
    return not lease_is_taken(a.fd, slot)


cdef inline bint may_judge(Attachment a) noexcept nogil:
    return is_file(a.fd, a.device, a.inode) and (a.slot == 0 or lease_is_taken(a.fd, a.slot))


cdef inline void defer(Attachment a, u64 node) noexcept nogil:
    push_deferred(&a.deferred, node)


cdef inline u64 next_deferred(Attachment a) noexcept nogil:
    return pop_deferred(&a.deferred)


def mutex_of_this_build():
    """Return whose mutex this is, as a number that differs where mutexes do; 0 where there is none."""
    return mutex_kind()


def make_mutex(words):
    """Make the mutex of an arena that nobody uses, given all its words."""
    failed = mutex_made(mutex_of(words_of(words)), 1)
    if failed:
        raise OSError(failed, "a robust mutex cannot be made here; create the arena with lock='file'")
