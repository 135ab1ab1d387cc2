"""Words that threads or processes change without a lock, and the list of deferred ends, in C.

Uncompiled, `atomic` and `deferred` have the same functions.
"""

cdef extern from *:
    """
    /* Deferred ends: threads push without a lock; the thread that has the arena's lock pops them. */
    typedef struct pb_end { struct pb_end *next; pb_u64 node; } pb_end;
    static void pb_defer(void **list, pb_u64 node) {
        pb_end *end = malloc(sizeof *end);
        /* Without memory for it, the hold lasts as long as the process. */
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
        /* There is one consumer, so the first element cannot be popped and pushed again meanwhile. */
        end = __atomic_load_n((pb_end **)list, __ATOMIC_ACQUIRE);
        while (end && !__atomic_compare_exchange_n((pb_end **)list, &end, end->next, 1, __ATOMIC_ACQUIRE,
                                                   __ATOMIC_ACQUIRE)) {}
        if (!end) return 0;
    #endif
        node = end->node;
        free(end);
        return node; }

    /* Words that processes change without the lock. */
    #if defined(_MSC_VER)
      static __inline pb_u64 pb_peek(pb_u64 *words, pb_u64 index) {
          return (pb_u64)InterlockedOr64((volatile long long *)(words + index), 0); }
      static __inline int pb_swap(pb_u64 *words, pb_u64 index, pb_u64 old, pb_u64 changed) {
          return (pb_u64)InterlockedCompareExchange64((volatile long long *)(words + index),
                                                      (long long)changed, (long long)old) == old; }
      static __inline void pb_set_bits(pb_u64 *words, pb_u64 index, pb_u64 bits) {
          InterlockedOr64((volatile long long *)(words + index), (long long)bits); }
      static __inline void pb_fence(void) { MemoryBarrier(); }
    #else
      static inline pb_u64 pb_peek(pb_u64 *words, pb_u64 index) {
          return __atomic_load_n(words + index, __ATOMIC_SEQ_CST); }
      static inline int pb_swap(pb_u64 *words, pb_u64 index, pb_u64 old, pb_u64 changed) {
          return __atomic_compare_exchange_n(words + index, &old, changed, 0, __ATOMIC_SEQ_CST,
                                             __ATOMIC_SEQ_CST); }
      static inline void pb_set_bits(pb_u64 *words, pb_u64 index, pb_u64 bits) {
          __atomic_fetch_or(words + index, bits, __ATOMIC_SEQ_CST); }
      static inline void pb_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
    #endif
    """
    void push_deferred "pb_defer"(void **ends, u64 node) nogil
    u64 pop_deferred "pb_next_deferred"(void **ends) nogil
    u64 peek "pb_peek"(u64 *words, u64 index) nogil
    bint swap "pb_swap"(u64 *words, u64 index, u64 old, u64 changed) nogil
    void set_bits "pb_set_bits"(u64 *words, u64 index, u64 bits) nogil
    void fence "pb_fence"() nogil


cdef inline void defer(ArenaState a, u64 node) noexcept nogil:
    push_deferred(&a.deferred, node)


cdef inline u64 next_deferred(ArenaState a) noexcept nogil:
    return pop_deferred(&a.deferred)
