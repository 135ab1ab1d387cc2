"""The compiled Reader."""

from libc.string cimport memcmp as compare_bytes


@cython.no_gc
@cython.freelist(8)
@cython.final
cdef class Reader:
    """Bytes, and the position of the next one. Raises TypeError for an object without bytes."""

    cdef object owner  # bytes, or a memoryview of bytes
    cdef const unsigned char *first
    cdef size_t n, at, end

    def __cinit__(self, object data):
        if type(data) is bytes:
            self.owner = data
            self.first = <unsigned char *> PyBytes_AS_STRING(data)
            self.n = PyBytes_GET_SIZE(data)
        else:
            self.owner = memoryview(data).cast("B")
            self.first = bytes_of(self.owner)
            self.n = PyMemoryView_GET_BUFFER(self.owner).len
        self.end = self.n

    def __reduce__(self):
        raise TypeError("a reader cannot be copied or pickled")


cdef inline const unsigned char *get(Reader r, u64 n_bytes) except NULL:
    """The address of the next bytes, after which reading continues."""
    if n_bytes > r.end - r.at:
        raise contradiction(r.n)
    r.at += n_bytes
    return r.first + r.at - n_bytes


cdef inline u64 get_number(Reader r, u64 n_bytes) except? 0xFFFFFFFFFFFFFFFF:
    cdef const unsigned char *data = get(r, n_bytes)
    cdef unsigned short two
    cdef unsigned int four
    cdef u64 eight
    if n_bytes == 1:
        return data[0]
    if n_bytes == 2:
        copy_bytes(&two, data, 2)
        return two
    if n_bytes == 4:
        copy_bytes(&four, data, 4)
        return four
    copy_bytes(&eight, data, 8)
    return eight


cdef inline i64 get_signed(Reader r) except? -1:
    cdef i64 number
    copy_bytes(&number, get(r, 8), 8)
    return number


cdef inline double get_double(Reader r) except? -1:
    cdef double number
    copy_bytes(&number, get(r, 8), 8)
    return number


cdef bytes get_bytes(Reader r, u64 n_bytes):
    return PyBytes_FromStringAndSize(<char *> get(r, n_bytes), n_bytes)


cdef object get_text(Reader r, u64 n_bytes):
    return text_of(<char *> get(r, n_bytes), n_bytes, "surrogatepass")


cdef object get_view(Reader r, u64 n_bytes):
    cdef size_t at = r.at
    get(r, n_bytes)
    return memoryview(r.owner)[at : r.at]


cdef inline u64 bytes_in(Reader r):
    return r.n


cdef inline u64 bytes_left(Reader r):
    return r.end - r.at


cdef bint has_checksum(Reader r, size_t at) except -1:
    cdef unsigned int checksum = checksum_of(r.first + at + 4, r.n - at - 4)
    cdef unsigned int there
    copy_bytes(&there, r.first + at, 4)
    return there == checksum


cdef inline int jump(Reader r, size_t at, size_t end) except -1:
    r.at = at
    r.end = end
    return 0


cdef inline int back(Reader r, size_t n_bytes) except -1:
    r.at -= n_bytes
    return 0


cdef inline bint matches(Reader r, bytes data) except -1:
    cdef size_t n = PyBytes_GET_SIZE(data)
    return compare_bytes(get(r, n), PyBytes_AS_STRING(data), n) == 0
