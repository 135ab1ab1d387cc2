"""The compiled Writer and Reader, and the checksum that both know."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free as free_bytes
from libc.stdlib cimport malloc as new_bytes
from libc.string cimport memcpy as copy_bytes

cdef extern from "Python.h":
    bint is_ascii "PyUnicode_IS_COMPACT_ASCII"(object text) noexcept
    Py_ssize_t ascii_length "PyUnicode_GET_LENGTH"(object text) noexcept
    void *ascii_data "PyUnicode_DATA"(object text) noexcept
    object bytes_there "PyMemoryView_FromMemory"(char *data, Py_ssize_t n, int flags)
    int BUFFER_IS_READ "PyBUF_READ"
    object text_of "PyUnicode_DecodeUTF8"(const char *data, Py_ssize_t n, const char *errors)
    long long int_as_i64 "PyLong_AsLongLongAndOverflow"(object number, int *overflow) except? -1

cdef extern from *:
    """
    /* CRC-32 as zlib computes it, eight bytes at a time. Calling zlib takes longer for short runs. */
    static unsigned int pb_crc_table[8][256];
    static void pb_crc_begin(void) {
        unsigned int i, j, x;
        for (i = 0; i < 256; i++) {
            for (x = i, j = 0; j < 8; j++) x = x & 1 ? x >> 1 ^ 0xEDB88320U : x >> 1;
            pb_crc_table[0][i] = x; }
        for (j = 1; j < 8; j++)
            for (i = 0; i < 256; i++) {
                x = pb_crc_table[j - 1][i];
                pb_crc_table[j][i] = x >> 8 ^ pb_crc_table[0][x & 255]; } }
    static unsigned int pb_crc(const unsigned char *at, size_t n) {
        unsigned int x = 0xFFFFFFFFU, high;
        for (; n >= 8; at += 8, n -= 8) {
            x ^= at[0] | (unsigned)at[1] << 8 | (unsigned)at[2] << 16 | (unsigned)at[3] << 24;
            high = at[4] | (unsigned)at[5] << 8 | (unsigned)at[6] << 16 | (unsigned)at[7] << 24;
            x = pb_crc_table[7][x & 255] ^ pb_crc_table[6][x >> 8 & 255]
                ^ pb_crc_table[5][x >> 16 & 255] ^ pb_crc_table[4][x >> 24]
                ^ pb_crc_table[3][high & 255] ^ pb_crc_table[2][high >> 8 & 255]
                ^ pb_crc_table[1][high >> 16 & 255] ^ pb_crc_table[0][high >> 24]; }
        for (; n; at++, n--) x = x >> 8 ^ pb_crc_table[0][(x ^ *at) & 255];
        return ~x; }
    """
    void crc_begin "pb_crc_begin"() noexcept
    unsigned int crc_of "pb_crc"(const unsigned char *at, size_t n) noexcept

crc_begin()

cdef enum:
    ROOM_AT_FIRST = 256
    # From here on, zlib takes less time.
    LONG_RUN = 2048


@cython.no_gc
@cython.freelist(8)
@cython.final
cdef class Writer:
    """Bytes, and the position at which the next one is put."""

    cdef unsigned char *first
    cdef size_t n, room
    cdef unsigned char short_ones[ROOM_AT_FIRST]

    def __cinit__(self):
        self.first = self.short_ones
        self.room = ROOM_AT_FIRST

    def __dealloc__(self):
        if self.first != self.short_ones:
            free_bytes(self.first)

    def __reduce__(self):
        raise TypeError("a writer cannot be copied or pickled")


cdef int grow(Writer w, size_t n) except -1:
    """Make room for n more bytes."""
    cdef size_t room = 2 * w.room + n
    cdef unsigned char *larger = <unsigned char *> new_bytes(room)
    if larger == NULL:
        raise MemoryError
    copy_bytes(larger, w.first, w.n)
    if w.first != w.short_ones:
        free_bytes(w.first)
    w.first = larger
    w.room = room
    return 0


cdef inline int put(Writer w, const void *data, size_t n) except -1:
    if w.room - w.n < n:
        grow(w, n)
    copy_bytes(w.first + w.n, data, n)
    w.n += n
    return 0


cdef inline int put8(Writer w, unsigned char number) except -1:
    return put(w, &number, 1)


cdef inline int put16(Writer w, unsigned short number) except -1:
    return put(w, &number, 2)


cdef inline int put32(Writer w, unsigned int number) except -1:
    return put(w, &number, 4)


cdef inline int put64(Writer w, u64 number) except -1:
    return put(w, &number, 8)


cdef inline int put_double(Writer w, double number) except -1:
    return put(w, &number, 8)


cdef int put_bytes(Writer w, object data) except -1:
    cdef Py_buffer view
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        return put(w, view.buf, view.len)
    finally:
        PyBuffer_Release(&view)


cdef unsigned int checksum_of(const unsigned char *data, size_t n) except? 0:
    """The CRC-32 of some bytes."""
    if n < LONG_RUN:
        return crc_of(data, n)
    return crc32(bytes_there(<char *> data, n, BUFFER_IS_READ))


cdef int put_checksum(Writer w, size_t at) except -1:
    cdef unsigned int checksum = checksum_of(w.first + at + 4, w.n - at - 4)
    copy_bytes(w.first + at, &checksum, 4)
    return 0


cdef inline size_t position_of(Writer w):
    return w.n


cdef inline int move(Writer w, size_t at) except -1:
    if at > w.room:
        grow(w, at - w.n)
    w.n = at
    return 0


cdef bytes finished(Writer w, size_t first):
    return PyBytes_FromStringAndSize(<char *> w.first + first, w.n - first)


cdef bint put_int(Writer w, object number) except -1:
    """Add an int; return False if it has more than 64 bits."""
    cdef int overflow = 0
    cdef i64 value = int_as_i64(number, &overflow)
    if overflow:
        return False
    put8(w, ITEM_INT)
    put64(w, value)
    return True


cdef int put_text(Writer w, object text) except -1:
    """Add text in UTF-8."""
    if not is_ascii(text):
        put_run(w, ITEM_TEXT, text.encode("utf-8", "surrogatepass"))
        return 0
    cdef Py_ssize_t n = ascii_length(text)
    put8(w, ITEM_TEXT)
    put64(w, n)
    return put(w, ascii_data(text), n)
