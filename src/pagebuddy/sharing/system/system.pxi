"""System calls in C: the mutex, locks on bytes, leases, fork handlers.

Uncompiled, `lock`, `gate`, `alive`, `child` and `process` have the same functions. Only Linux has robust mutexes
and locks that belong to an open file; on other systems an arena serves one process.

Fork handlers run without the GIL, so what they use is static here, and not in a `ProcessState`: the list
of attachments, a mutex for it, the handlers, and the page of `pb_is_present`. A simulator of several
processes uses the uncompiled engine, which has none of these.
"""

cdef extern from *:
    """
    #include <errno.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    typedef unsigned long long pb_u64;

    #if defined(__linux__)
      #include <fcntl.h>
      #include <pthread.h>
      #include <sys/mman.h>
      #include <sys/stat.h>
      #include <sys/statvfs.h>
      #include <time.h>
      #include <unistd.h>

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
      typedef char pb_mutex_fits[sizeof(pthread_mutex_t) <= PB_MUTEX_WORDS * 8 ? 1 : -1];

      /* A page that is zero in a raw clone, for which no fork handlers ran: its operations are refused. */
      static volatile unsigned char *pb_presence;
      static int pb_is_present(void) { return !pb_presence || *pb_presence; }
      static void pb_present_again(void) { if (pb_presence) *pb_presence = 1; }
      static void pb_begin_presence(void) {
      #if defined(MADV_WIPEONFORK)
          void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
          if (page == MAP_FAILED) return;
          if (madvise(page, 4096, MADV_WIPEONFORK)) { munmap(page, 4096); return; }
          pb_presence = page;
          *pb_presence = 1;
      #endif
      }

      /* The kind of mutex: by C library, machine and size. */
      static pb_u64 pb_mutex_kind(void) {
          return (pb_u64)PB_LIBC << 24 | (pb_u64)PB_MACHINE << 16 | sizeof(pthread_mutex_t); }

      static pthread_mutex_t *pb_mutex(pb_u64 *words) {
          return (pthread_mutex_t *)(words + PB_A_MUTEX); }

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

      #if defined(__x86_64__)
        static inline void pb_relax(void) { __builtin_ia32_pause(); }
      #else
        static inline void pb_relax(void) {}
      #endif
      static inline pb_u64 pb_mutex_take(pb_u64 *words, pb_u64 milliseconds) {
          pb_u64 answer = pb_answer(pthread_mutex_trylock(pb_mutex(words)));
          int i;
          /* Whoever has it needs it for less time than a sleep takes. */
          for (i = 0; answer == PB_LOCKED && milliseconds && i < PB_LOCK_SPINS; i++) {
              if (i & 7) pb_relax();
              else answer = pb_answer(pthread_mutex_trylock(pb_mutex(words))); }
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
              if (pb_byte(fd, F_OFD_SETLK, F_WRLCK, (long long)PB_LOCK_BYTE, NULL) == 0) return PB_DONE;
              if (errno != EAGAIN && errno != EACCES) return PB_UNLOCKABLE;
              if (milliseconds == 0) return PB_LOCKED;
              clock_gettime(CLOCK_MONOTONIC, &now);
              time = (pb_u64)now.tv_sec * 1000 + (pb_u64)now.tv_nsec / 1000000;
              if (end == 0) end = time + milliseconds;
              if (time >= end) return PB_LOCKED;
              nanosleep(&pause, NULL); } }
      static void pb_byte_give(int fd) { pb_byte(fd, F_OFD_SETLK, F_UNLCK, (long long)PB_LOCK_BYTE, NULL); }

      /* Whether another open file has the lease of a slot; 1 also if the system cannot tell. */
      static int pb_lease_is_taken(int fd, pb_u64 slot) {
          int found;
          if (pb_byte(fd, F_OFD_GETLK, F_WRLCK, (long long)(PB_LEASE_BYTE + slot), &found)) return 1;
          return found != F_UNLCK; }
      static int pb_is_file(int fd, pb_u64 device, pb_u64 inode) {
          struct stat status;
          return fd >= 0 && fstat(fd, &status) == 0 && (pb_u64)status.st_dev == device
                 && (pb_u64)status.st_ino == inode; }
      /* Whether a file is known to be shorter than its mapping: touching the missing part is fatal. */
      static int pb_is_cut(int fd, pb_u64 device, pb_u64 inode, pb_u64 n_bytes) {
          struct stat status;
          return fstat(fd, &status) == 0 && (pb_u64)status.st_dev == device
                 && (pb_u64)status.st_ino == inode && (pb_u64)status.st_size < n_bytes; }
      /* Lock a lease's byte through a new open file that only a mapping keeps; its address. If that fails,
         0, with the system's error in n_bytes, or 0 there if another open file has the byte locked. */
      static pb_u64 pb_take_lease(int fd, pb_u64 slot, int inherited, pb_u64 *n_bytes) {
          char path[32];
          struct statvfs status;
          void *address = MAP_FAILED;
          int own, failed;
          snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
          own = open(path, O_RDWR | O_CLOEXEC);
          if (own < 0) { *n_bytes = errno; return 0; }
          if (pb_byte(own, F_OFD_SETLK, F_WRLCK, (long long)(PB_LEASE_BYTE + slot), NULL)) {
              failed = errno == EAGAIN || errno == EACCES ? 0 : errno;
          } else if (fstatvfs(own, &status)) {
              failed = errno;
          } else {
              *n_bytes = status.f_bsize > 4096 ? status.f_bsize : (pb_u64)sysconf(_SC_PAGESIZE);
              address = mmap(NULL, *n_bytes, PROT_NONE, MAP_SHARED, own, 0);
              failed = address == MAP_FAILED ? errno : 0;
              if (address != MAP_FAILED && !inherited && madvise(address, *n_bytes, MADV_DONTFORK)) {
                  failed = errno;
                  munmap(address, *n_bytes);
                  address = MAP_FAILED; } }
          close(own);
          if (address != MAP_FAILED) return (pb_u64)(size_t)address;
          *n_bytes = (pb_u64)failed;
          return 0; }
      static void pb_inherit(pb_u64 address, pb_u64 n_bytes, int inherited) {
          madvise((void *)(size_t)address, n_bytes, inherited ? MADV_DOFORK : MADV_DONTFORK); }
      static int pb_reopened(int fd) {
          char path[32];
          snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
          return open(path, O_RDWR | O_CLOEXEC); }
      static pb_u64 pb_own_pid(void) { return (pb_u64)getpid(); }
      /* That is a system call; a child of a fork asks again, and a raw clone each time. */
      static pb_u64 pb_remembered_pid;
      static pb_u64 pb_known_pid(void) {
          if (!pb_is_present()) return pb_own_pid();
          if (!pb_remembered_pid) pb_remembered_pid = pb_own_pid();
          return pb_remembered_pid; }
      /* Whether this process is in a pid namespace; without /proc, whether that is possible. */
      static int pb_is_in_namespace(pb_u64 device, pb_u64 inode) {
          struct stat status;
          if (stat("/proc/self/ns/pid", &status)) return getpid() != 1 && getppid() != 0;
          return (pb_u64)status.st_dev == device && (pb_u64)status.st_ino == inode; }

      /* All attachments of this process, by the ids of their arenas: a fork locks in this order. */
      typedef void (*pb_handler)(void *);
      typedef struct pb_attached {
          struct pb_attached *next; void *attachment; pb_u64 high, low; } pb_attached;
      static pb_attached *pb_first_attached;
      static pthread_mutex_t pb_attaching = PTHREAD_MUTEX_INITIALIZER;
      static pb_handler pb_prepare, pb_resume, pb_begin;
      static void pb_each(pb_handler handler) {
          pb_attached *each;
          for (each = pb_first_attached; each; each = each->next) handler(each->attachment); }
      static void pb_before_fork(void) { pthread_mutex_lock(&pb_attaching); pb_each(pb_prepare); }
      static void pb_in_parent(void) { pb_each(pb_resume); pthread_mutex_unlock(&pb_attaching); }
      static void pb_in_child(void) {
          pb_present_again();
          pb_remembered_pid = 0;
          pb_each(pb_begin);
          pthread_mutex_init(&pb_attaching, NULL); }
      static int pb_handle_forks(pb_handler prepare, pb_handler resume, pb_handler begin) {
          pb_prepare = prepare; pb_resume = resume; pb_begin = begin;
          return pthread_atfork(pb_before_fork, pb_in_parent, pb_in_child); }
      static int pb_enlist(void *attachment, pb_u64 high, pb_u64 low) {
          pb_attached **at = &pb_first_attached, *one = malloc(sizeof *one);
          if (!one) return 0;
          one->attachment = attachment; one->high = high; one->low = low;
          pthread_mutex_lock(&pb_attaching);
          while (*at && ((*at)->high < high || ((*at)->high == high && (*at)->low < low))) at = &(*at)->next;
          one->next = *at;
          *at = one;
          pthread_mutex_unlock(&pb_attaching);
          return 1; }
      static void pb_delist(void *attachment) {
          pb_attached **at = &pb_first_attached, *one;
          pthread_mutex_lock(&pb_attaching);
          while (*at && (*at)->attachment != attachment) at = &(*at)->next;
          one = *at;
          if (one) { *at = one->next; free(one); }
          pthread_mutex_unlock(&pb_attaching); }
      static pb_u64 pb_attach_lease(int fd, pb_u64 slot, pb_u64 *n_bytes) {
          pb_u64 address;
          /* A fork would copy the descriptor, and the lease would outlast this process. */
          pthread_mutex_lock(&pb_attaching);
          address = pb_take_lease(fd, slot, 0, n_bytes);
          pthread_mutex_unlock(&pb_attaching);
          return address; }

      static void pb_let_go(void *address, pb_u64 n_bytes, int fd) {
          if (n_bytes) munmap(address, n_bytes);
          if (fd >= 0) close(fd); }
    #else
      static void pb_relax(void) {}
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
      static int pb_is_cut(int fd, pb_u64 device, pb_u64 inode, pb_u64 n_bytes) { return 0; }
      static void pb_let_go(void *address, pb_u64 n_bytes, int fd) {}
      static int pb_is_present(void) { return 1; }
      static void pb_begin_presence(void) {}
      static pb_u64 pb_take_lease(int fd, pb_u64 slot, int inherited, pb_u64 *n_bytes) { *n_bytes = ENOSYS; return 0; }
      static pb_u64 pb_attach_lease(int fd, pb_u64 slot, pb_u64 *n_bytes) { *n_bytes = ENOSYS; return 0; }
      static void pb_inherit(pb_u64 address, pb_u64 n_bytes, int inherited) {}
      static int pb_reopened(int fd) { return -1; }
      static pb_u64 pb_own_pid(void) { return 0; }
      static pb_u64 pb_known_pid(void) { return 0; }
      static int pb_is_in_namespace(pb_u64 device, pb_u64 inode) { return 1; }
      typedef void (*pb_handler)(void *);
      static int pb_handle_forks(pb_handler prepare, pb_handler resume, pb_handler begin) { return 0; }
      static int pb_enlist(void *attachment, pb_u64 high, pb_u64 low) { return 1; }
      static void pb_delist(void *attachment) {}
    #endif
    static void *pb_at(pb_u64 address) { return (void *)(size_t)address; }
    """
    u64 mutex_kind "pb_mutex_kind"() nogil
    int mutex_made "pb_mutex_make"(void *mutex, int shared) nogil
    void *mutex_of "pb_mutex"(u64 *words) nogil
    void relax "pb_relax"() nogil
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
    bint is_cut "pb_is_cut"(int fd, u64 device, u64 inode, u64 n_bytes) nogil
    void let_go "pb_let_go"(void *address, u64 n_bytes, int fd) nogil
    bint is_present "pb_is_present"() nogil
    void begin_presence "pb_begin_presence"() nogil
    u64 taken_lease "pb_take_lease"(int fd, u64 slot, int inherited, u64 *n_bytes) nogil
    u64 attached_lease "pb_attach_lease"(int fd, u64 slot, u64 *n_bytes) nogil
    void inherit "pb_inherit"(u64 address, u64 n_bytes, int inherited) nogil
    int reopened "pb_reopened"(int fd) nogil
    u64 own_pid "pb_own_pid"() nogil
    u64 known_pid "pb_known_pid"() nogil
    bint is_in_namespace "pb_is_in_namespace"(u64 device, u64 inode) nogil
    ctypedef void (*on_attachment "pb_handler")(void *) noexcept nogil
    int handle_forks "pb_handle_forks"(on_attachment, on_attachment, on_attachment) nogil
    bint enlist "pb_enlist"(void *attachment, u64 high, u64 low) nogil
    void delist "pb_delist"(void *attachment) nogil
    void *at_address "pb_at"(u64 address) nogil
    void free "free"(void *memory) nogil
    void *memset "memset"(void *memory, int value, size_t n_bytes) nogil


cdef inline u64 *words_from_at(u64 *words, u64 index) noexcept nogil:
    return words + index


cdef inline bint mutex_made_again(u64 *words) noexcept nogil:
    return mutex_made(mutex_of(words), 1) == 0


cdef inline bint lease_is_gone(ArenaState a, u64 slot) noexcept nogil:
    return not lease_is_taken(a.fd, slot)


cdef inline bint locks_the_arena(ArenaState a) noexcept nogil:
    return is_file(a.lock_fd, a.device, a.inode)


cdef inline bint may_judge(ArenaState a) noexcept nogil:
    return is_file(a.fd, a.device, a.inode) and (a.slot == 0 or lease_is_taken(a.fd, a.slot))


cdef bint take_child_lease(ArenaState a, u64 slot) noexcept nogil:
    a.child_lease_address = taken_lease(a.fd, slot, 1, &a.child_lease_bytes)
    return a.child_lease_address != 0


cdef void drop_child_lease(ArenaState a) noexcept nogil:
    let_go(at_address(a.child_lease_address), a.child_lease_bytes, -1)


cdef void adopt_lease(ArenaState a) noexcept nogil:
    if a.sticky:
        let_go(at_address(a.lease_address), a.lease_bytes, -1)
    a.lease_address = a.child_lease_address
    a.lease_bytes = a.child_lease_bytes
    inherit(a.lease_address, a.lease_bytes, 0)


cdef void set_lease_inherited(ArenaState a, bint inherited) noexcept nogil:
    inherit(a.lease_address, a.lease_bytes, inherited)


cdef void renew_locks(ArenaState a) noexcept nogil:
    free(a.gate)
    a.gate = new_gate()
    if a.lock_kind == LOCK_FILE and a.lock_fd >= 0:
        if locks_the_arena(a):
            let_go(NULL, 0, a.lock_fd)
        a.lock_fd = reopened(a.fd) if is_file(a.fd, a.device, a.inode) else -1


def mutex_of_this_build():
    """Return the kind of mutex of this build, as a number; 0 if there is none."""
    return mutex_kind()


def make_mutex(words):
    """Make the mutex of an arena that no process uses, given all its words."""
    failed = mutex_made(mutex_of(words_of(words)), 1)
    if failed:
        raise OSError(failed, "the system cannot make a robust mutex here; create the arena with lock='file'")


cdef extern from *:
    """
    #include <time.h>
    static pb_u64 pb_wall_clock(void) {
    #if defined(CLOCK_REALTIME_COARSE)
        /* Exact to some ms, and four times as fast. */
        struct timespec now;
        if (clock_gettime(CLOCK_REALTIME_COARSE, &now) == 0)
            return (pb_u64)now.tv_sec * 1000 + (pb_u64)now.tv_nsec / 1000000;
    #elif defined(TIME_UTC)
        struct timespec now;
        if (timespec_get(&now, TIME_UTC)) return (pb_u64)now.tv_sec * 1000 + (pb_u64)now.tv_nsec / 1000000;
    #endif
        return (pb_u64)time(NULL) * 1000; }
    """
    u64 wall_clock "pb_wall_clock"() nogil


cdef extern from *:
    """
    #if defined(__linux__)
      /* Ms by CLOCK_MONOTONIC, the clock of Python's time.monotonic_ns. */
      static pb_u64 pb_clock_ms(void) {
          struct timespec now;
          clock_gettime(CLOCK_MONOTONIC, &now);
          return (pb_u64)now.tv_sec * 1000 + (pb_u64)now.tv_nsec / 1000000; }
    #else
      /* Only arenas of one process are possible. */
      static pb_u64 pb_clock_ms(void) { return (pb_u64)time(NULL) * 1000; }
    #endif
    """
    u64 clock_ms "pb_clock_ms"() nogil
