"""Which processes share a slot, in C: see `sharers.py`."""

cdef extern from *:
    """
    #if defined(__linux__)
      #include <sys/ipc.h>
      #include <sys/shm.h>

      static pb_u64 pb_new_tally(long long *tally) {
          int id = shmget(IPC_PRIVATE, 4096, 0666);
          void *address;
          if (id < 0) return 0;
          address = shmat(id, NULL, 0);
          /* Removed now, it ends with its last attachment. */
          shmctl(id, IPC_RMID, NULL);
          if (address == (void *)-1) return 0;
          *tally = id;
          return (pb_u64)(size_t)address; }
      static void pb_drop_tally(pb_u64 address) { shmdt((void *)(size_t)address); }
      /* Whether only this process has the tally attached. The number could be another's, in another ipc
         namespace: so it must be the same memory. */
      static int pb_has_tally_alone(long long tally, pb_u64 address) {
          struct shmid_ds status;
          volatile pb_u64 *mine = (volatile pb_u64 *)(size_t)address, *same;
          int is_same;
          if (shmctl((int)tally, IPC_STAT, &status) || status.shm_nattch != 1) return 0;
          same = shmat((int)tally, NULL, 0);
          if (same == (void *)-1) return 0;
          ++*mine;
          is_same = *same == *mine;
          ++*mine;
          is_same = is_same && *same == *mine;
          shmdt((void *)same);
          return is_same; }
      static int pb_keep_forks_out(void) { return pthread_mutex_trylock(&pb_attaching) == 0; }
      static void pb_let_forks_in(void) { pthread_mutex_unlock(&pb_attaching); }
    #else
      static pb_u64 pb_new_tally(long long *tally) { return 0; }
      static void pb_drop_tally(pb_u64 address) {}
      static int pb_has_tally_alone(long long tally, pb_u64 address) { return 0; }
      static int pb_keep_forks_out(void) { return 0; }
      static void pb_let_forks_in(void) {}
    #endif
    """
    u64 new_tally "pb_new_tally"(i64 *tally) nogil
    void drop_tally "pb_drop_tally"(u64 address) nogil
    bint has_tally_alone "pb_has_tally_alone"(i64 tally, u64 address) nogil
    bint no_fork_can_begin "pb_keep_forks_out"() nogil
    void forks_can_begin "pb_let_forks_in"() nogil


cdef void begin_tally(ArenaState a) noexcept nogil:
    a.tally_address = new_tally(&a.tally)


cdef void end_tally(ArenaState a) noexcept nogil:
    if a.tally_address:
        drop_tally(a.tally_address)
        a.tally_address = 0


cdef bint is_sole_user(ArenaState a) noexcept nogil:
    return a.tally_address != 0 and has_tally_alone(a.tally, a.tally_address)


cdef bint keep_forks_out(ArenaState a) noexcept nogil:
    return no_fork_can_begin()


cdef void let_forks_in(ArenaState a) noexcept nogil:
    forks_can_begin()
