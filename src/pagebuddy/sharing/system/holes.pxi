"""Finding the holes of an arena's file, in C. Uncompiled, `holes` has the same function."""

cdef extern from *:
    """
    #if defined(__linux__) && defined(SEEK_DATA)
      /* Set the bits of the pieces that are not holes; 0 if the system cannot tell. */
      static int pb_find_holes(int fd, pb_u64 start, pb_u64 count, pb_u64 piece, pb_u64 *bits) {
          pb_u64 at = start, end = start + count * piece, stop, i;
          memset(bits, 0, (count / 64 + 1) * sizeof *bits);
          while (at < end) {
              off_t found = lseek(fd, (off_t)at, SEEK_DATA);
              if (found < 0) return errno == ENXIO;
              at = (pb_u64)found;
              found = lseek(fd, found, SEEK_HOLE);
              if (found < 0) return errno == ENXIO;
              stop = (pb_u64)found < end ? (pb_u64)found : end;
              while (at < stop) {
                  i = (at - start) / piece;
                  bits[i / 64] |= (pb_u64)1 << (i & 63);
                  at = start + (i + 1) * piece; } }
          return 1; }
    #else
      static int pb_find_holes(int fd, pb_u64 start, pb_u64 count, pb_u64 piece, pb_u64 *bits) { return 0; }
    #endif
    """
    bint holes_found "pb_find_holes"(int fd, u64 start, u64 count, u64 piece, u64 *bits) nogil


cdef bint find_holes(ArenaState a) noexcept nogil:
    """Note the granules that are not holes; False if the system cannot tell. Needs the arena's lock.

    A granule to which nothing was stored is a hole, even if it is backed.
    """
    cdef u64 start = <u64> (a.records - a.base) - a.skew
    if not is_file(a.fd, a.device, a.inode):
        return False
    return holes_found(a.fd, start * 8, (a.n_nodes + a.skew - 1) // GRANULE + 1, GRANULE * 8, a.stored)
