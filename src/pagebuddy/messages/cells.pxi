"""Copies between Python objects and a ring, in C."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy


cdef inline void copy_to_region(Ring r, Message m) noexcept nogil:
    memcpy(r.region + m.bytes_at, m.source, m.n_bytes)


cdef inline unsigned char *start_of_bytes(object body) noexcept:
    """The address of a bytes object's contents. Keep the object as long as the pointer."""
    return <unsigned char *> PyBytes_AS_STRING(body)


cdef inline object bytes_in_region(Ring r, u64 at, u64 n):
    """A copy of bytes of the region."""
    return PyBytes_FromStringAndSize(<char *> r.region + at, n)


cdef inline u64 crc_of_bytes(object data) except? 0:
    """The CRC-32 of a bytes object."""
    return checksum_of(start_of_bytes(data), PyBytes_GET_SIZE(data))
