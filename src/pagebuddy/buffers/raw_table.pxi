"""The functions for raw buffers, as `_compiled` gives them to `_numpy`: both extensions include this."""

cdef extern from *:
    """
    typedef struct {
        unsigned long long n_bytes;  /* of this table: that of another version may have another size */
        /* Whether a Python object is an attachment, which all others get as `a`. Needs the GIL. */
        int (*is_attachment)(PyObject *thing);
        /* The address of a new buffer, or NULL. */
        void *(*take)(void *a, unsigned long long n_bytes, int zero);
        /* Change the size in place: whether the buffer has at least so many bytes now. */
        int (*resize)(void *a, void *at, unsigned long long n_bytes);
        /* The bytes that can be read there; 0 if they cannot. */
        unsigned long long (*readable)(void *a, void *at);
        /* Whether an address is in the arena. */
        int (*contains)(void *a, void *at);
        /* End the hold; 0 if the address is not in the arena. */
        int (*give)(void *a, void *at);
        /* Count an allocation that was made elsewhere. */
        void (*missed)(void *a);
    } pb_raw_table;
    """
    ctypedef struct RawTable "pb_raw_table":
        unsigned long long n_bytes
        int (*is_attachment)(PyObject *thing) noexcept
        void *(*take)(void *a, unsigned long long n_bytes, int zero) noexcept nogil
        int (*resize)(void *a, void *at, unsigned long long n_bytes) noexcept nogil
        unsigned long long (*readable)(void *a, void *at) noexcept nogil
        int (*contains)(void *a, void *at) noexcept nogil
        int (*give)(void *a, void *at) noexcept nogil
        void (*missed)(void *a) noexcept nogil

cdef const char *RAW_TABLE = "pagebuddy._compiled.raw_buffers"
