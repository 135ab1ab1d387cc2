"""Writing a tape to its file, in C. Uncompiled, `writing` has the same functions."""

cdef extern from *:
    """
    #if defined(__linux__)
      /* One thread writes at a time, and sees the stores of the one before. */
      static int pb_begin_writing(pb_u64 *writing) {
          return __atomic_exchange_n(writing, 1, __ATOMIC_ACQUIRE) == 0; }
      static void pb_end_writing(pb_u64 *writing) { __atomic_store_n(writing, 0, __ATOMIC_RELEASE); }
      static pb_u64 pb_written(int fd, const unsigned char *bytes, pb_u64 n_bytes) {
          while (n_bytes) {
              ssize_t done = write(fd, bytes, n_bytes);
              if (done < 0 && errno == EINTR) continue;
              if (done < 0) return (pb_u64)errno;
              bytes += done;
              n_bytes -= (pb_u64)done; }
          return 0; }
    #else
      static int pb_begin_writing(pb_u64 *writing) { return 1; }
      static void pb_end_writing(pb_u64 *writing) {}
      static pb_u64 pb_written(int fd, const unsigned char *bytes, pb_u64 n_bytes) { return ENOSYS; }
    #endif
    """
    bint begin_to_write "pb_begin_writing"(u64 *writing) nogil
    void end_to_write "pb_end_writing"(u64 *writing) nogil
    u64 bytes_written "pb_written"(int fd, const unsigned char *bytes, u64 n_bytes) nogil


cdef inline bint begin_writing(Tape t) noexcept nogil:
    return begin_to_write(&t.writing)


cdef inline void end_writing(Tape t) noexcept nogil:
    end_to_write(&t.writing)


cdef inline u64 written(Tape t, u64 at, u64 n_bytes) noexcept nogil:
    return bytes_written(<int> t.fd, t.text + at, n_bytes)
